#!/usr/bin/env bash
# Build the image, push it to the account's registry and print repository=…, digest=sha256:… and
# uri=repository@sha256:…
#
#   infra/push-image.sh STAGE
#
# Needs docker, the AWS command line with credentials, and AWS_REGION.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=$1
LC_ALL=C # a-z are these letters and no others
most=$((28 - ${#AWS_REGION})) # of a bucket's 63 characters, as infra/plugins/stage-name.js has it
if ! [[ $stage =~ ^[a-z0-9][a-z0-9-]*$ ]] || [ "${#stage}" -gt "$most" ]; then
    echo "expected a stage of 1 to $most of a-z 0-9 - in $AWS_REGION, got $stage" >&2
    exit 1
fi

account=$(aws sts get-caller-identity --query Account --output text)
registry=$account.dkr.ecr.$AWS_REGION.$(
    case $AWS_REGION in cn-*) echo amazonaws.com.cn ;; *) echo amazonaws.com ;; esac
)
repository=$registry/financial-forecaster
# Tags are immutable: what is built again gets a new one.
tag=$stage-$(git rev-parse --short=12 HEAD)-$(date -u +%Y%m%dT%H%M%S)

aws ecr get-login-password --region "$AWS_REGION" |
    docker login --username AWS --password-stdin "$registry" >&2
make image ENGINE=docker IMAGE="$repository:$tag" >&2
docker push --quiet "$repository:$tag" >&2
digest=$(aws ecr describe-images --repository-name financial-forecaster --region "$AWS_REGION" \
    --image-ids "imageTag=$tag" --query 'imageDetails[0].imageDigest' --output text)
printf '%s\n' "repository=$repository" "digest=$digest" "uri=$repository@$digest"
