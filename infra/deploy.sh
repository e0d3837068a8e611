#!/usr/bin/env bash
# Deploy a stage with the parameters that it has: at a desk and from GitHub alike.
#
#   infra/deploy.sh STAGE [--param=name=value ...]
#
# They are words as --param=tickers=SPY,QQQ: in the variable DEPLOY, or where that is empty in the file
# deploy.STAGE, whose lines may begin with # to say why. Those given here count more. One without a
# value is not passed, so its default holds. Needs npm's packages and credentials.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=$1
shift

words=${DEPLOY:-} from="the variable DEPLOY"
if [ -z "${words// /}" ]; then
    words='' from="nowhere: all defaults"
    if [ -f "deploy.$stage" ]; then
        words=$(sed 's/^[[:space:]]*#.*//' "deploy.$stage") from="the file deploy.$stage"
    fi
fi
read -r -d '' -a params <<< "$words" || true
echo "Parameters of $stage: from $from" >&2

given=()
for param in "${params[@]}" "$@"; do
    case $param in
        --param=*=) echo "Not passed, for it is empty: $param" >&2 ;;
        *) given+=("$param") ;;
    esac
done
exec npx --no-install serverless deploy --stage "$stage" "${given[@]}"
