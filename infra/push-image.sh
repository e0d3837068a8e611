#!/usr/bin/env bash
# Build the image, push it to the account's registry and print repository=…, digest=sha256:…,
# uri=repository@sha256:…, built=true and source=COMMIT, of whose run the image comes. Where nothing
# that is in the image has changed since one was pushed for the stage, that one, and built=false.
#
#   infra/push-image.sh STAGE
#
# Needs docker, the AWS command line with credentials, AWS_REGION and the history of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=$1
LC_ALL=C # a-z are these letters and no others
service=$(sed -n 's/^service: *//p' serverless.yml)
# Of a bucket's 63 characters, as infra/plugins/stage-name.js has it.
most=$((63 - ${#service} - 15 - ${#AWS_REGION}))
if ! [[ $stage =~ ^[a-z0-9][a-z0-9-]*$ ]] || [ "${#stage}" -gt "$most" ]; then
    echo "expected a stage of 1 to $most of a-z 0-9 - in $AWS_REGION, got $stage" >&2
    exit 1
fi
contents=(Dockerfile .dockerignore handlers pipeline models/default infra/image-requirements.txt)

account=$(aws sts get-caller-identity --query Account --output text)
registry=$account.dkr.ecr.$AWS_REGION.$(
    case $AWS_REGION in cn-*) echo amazonaws.com.cn ;; *) echo amazonaws.com ;; esac
)
repository=$registry/$service
head=$(git rev-parse HEAD) source=${GITHUB_SHA:-$(git rev-parse HEAD)} built=true tag=''

# What the registry says of an image are its tags: that it was deployed (infra/keep-images.sh), its
# commit, and the commit whose run built it, which is the same or, where the run itself had committed
# a model, the one before.
made='[0-9a-f]{12}-[0-9a-f]{12}-[0-9]{8}T[0-9]{6}'
images=$(aws ecr describe-images --repository-name "$service" --region "$AWS_REGION" \
    --filter tagStatus=TAGGED --query 'imageDetails[].imageTags' --output text)
while read -r known; do
    IFS=- read -r from by _ <<< "${known#"$stage-"}"
    from=$(git rev-parse --quiet --verify "$from^{commit}") || continue
    by=$(git rev-parse --quiet --verify "$by^{commit}") || continue
    [ "$by" = "$from" ] || [ "$by" = "$(git rev-parse --quiet --verify "$from^")" ] || continue
    git merge-base --is-ancestor "$from" HEAD || continue
    git diff --quiet "$from" HEAD -- "${contents[@]}" || continue
    tag=$known source=$by built=false
    echo "Nothing of the image has changed since $known" >&2
    break
done < <(grep -E "(^|[[:space:]])keep-$stage-" <<< "$images" | tr '[:blank:]' '\n' |
    grep -xE "$stage-$made" | awk -F- '{ print $NF, $0 }' | sort -r | cut -d' ' -f2)

if [ "$built" = true ]; then
    # Tags are immutable: what is built again gets a new one.
    tag=$stage-${head:0:12}-${source:0:12}-$(date -u +%Y%m%dT%H%M%S)
    aws ecr get-login-password --region "$AWS_REGION" |
        docker login --username AWS --password-stdin "$registry" >&2
    make image ENGINE=docker IMAGE="$repository:$tag" >&2
    docker push --quiet "$repository:$tag" >&2
fi
digest=$(aws ecr describe-images --repository-name "$service" --region "$AWS_REGION" \
    --image-ids "imageTag=$tag" --query 'imageDetails[0].imageDigest' --output text)
printf '%s\n' "repository=$repository" "digest=$digest" "uri=$repository@$digest" \
    "built=$built" "source=$source"
