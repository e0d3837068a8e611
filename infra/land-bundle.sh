#!/usr/bin/env bash
# Bring main forward to a commit that was tested, and print commit=SHA; or, where main has moved on or
# may not be written to, open a pull request for its branch and print nothing.
#
#   infra/land-bundle.sh COMMIT BRANCH
#
# Needs GH_TOKEN and GitHub's variables.
set -euo pipefail
commit=$1 branch=$2

origin=https://x-access-token:$GH_TOKEN@${GITHUB_SERVER_URL#https://}/$GITHUB_REPOSITORY
# Never by force: main comes to have this very commit, or stays.
if git push --quiet "$origin" "$commit:refs/heads/main"; then
    git push --quiet "$origin" ":refs/heads/$branch" 2> /dev/null || true
    echo "commit=$commit"
    exit
fi
echo "::notice::main was not written to; $branch goes into a pull request" >&2
gh pr create --base main --head "$branch" --title "Bundle ${branch#bundle/}" \
    --body 'Trained on fresh bars; it passed the gate and the tests. Merging it deploys it.' >&2
