#!/usr/bin/env bash
# Put the bundle that lies in models/default on main and print commit=SHA; or, where main may not be
# written to, put it into a pull request and print nothing. Needs GH_TOKEN and GitHub's variables.
set -euo pipefail

version=$(python3 -c 'import json
print(json.load(open("models/default/manifest.json"))["model_version"])')
if [ -z "$(git status --porcelain -- models/default)" ]; then
    echo "$version is on main already" >&2
    echo "commit=$(git rev-parse HEAD)"
    exit
fi
origin=https://x-access-token:$GH_TOKEN@${GITHUB_SERVER_URL#https://}/$GITHUB_REPOSITORY
git add -- models/default
git -c user.name='github-actions[bot]' \
    -c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
    commit --quiet --message "Bundle $version, trained on fresh bars"
if git push --quiet "$origin" HEAD:refs/heads/main; then
    echo "commit=$(git rev-parse HEAD)"
    exit
fi
echo "::notice::main was not written to; $version goes into a pull request" >&2
git push --quiet "$origin" "HEAD:refs/heads/bundle/$version"
gh pr create --base main --head "bundle/$version" --title "Bundle $version" \
    --body 'Trained on fresh bars; it passed the gate. Merging it deploys it.' >&2
