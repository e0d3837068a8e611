#!/usr/bin/env bash
# Commit the bundle that lies in models/default to a branch of its own, to be tested there, and print
# commit=SHA and branch=NAME. Needs GH_TOKEN and GitHub's variables.
set -euo pipefail

version=$(python3 -c 'import json
print(json.load(open("models/default/manifest.json"))["model_version"])')
branch=bundle/$version
if [ -n "$(git status --porcelain -- models/default)" ]; then
    origin=https://x-access-token:$GH_TOKEN@${GITHUB_SERVER_URL#https://}/$GITHUB_REPOSITORY
    git add -- models/default
    git -c user.name='github-actions[bot]' \
        -c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
        commit --quiet --message "Bundle $version, trained on fresh bars"
    # A run that is repeated commits it anew, on what its branch then is.
    git push --quiet --force "$origin" "HEAD:refs/heads/$branch"
else
    echo "$version is on main already" >&2
fi
printf '%s\n' "commit=$(git rev-parse HEAD)" "branch=$branch"
