#!/usr/bin/env bash
# Print newest=true where a commit is what main is now; what is behind it would undo what came later.
#
#   infra/is-newest.sh COMMIT
#
# Needs gh, GH_TOKEN and GitHub's variables.
set -euo pipefail

newest=$(gh api "repos/$GITHUB_REPOSITORY/commits/main" --jq .sha)
if [ "$newest" = "$1" ]; then
    echo "newest=true"
else
    echo "::notice::main has moved on to $newest, whose own run deploys it" >&2
fi
