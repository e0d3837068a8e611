#!/usr/bin/env bash
# Tag the images that a stage uses, so that the registry deletes none of them: those to which the
# alias live points, and those of the last three versions of each function.
#
#   infra/keep-images.sh STAGE
#
# Needs the AWS command line with credentials, and AWS_REGION.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=$1
service=$(sed -n 's/^service: *//p' serverless.yml)
export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION

image_of() {
    aws lambda get-function --function-name "$1" --qualifier "$2" \
        --query Code.ResolvedImageUri --output text
}
uris=''
for function in "$service-$stage-daily" "$service-$stage-verify" "$service-$stage-on-demand"; do
    versions=$(aws lambda list-versions-by-function --function-name "$function" \
        --query 'Versions[].Version' --output text) || continue # a first deployment that failed
    for version in live $(tr '\t' '\n' <<< "$versions" | grep -E '^[0-9]+$' | sort -n | tail -n 3); do
        uris+=$(image_of "$function" "$version")$'\n'
    done
done

sort -u <<< "$uris" | while read -r uri; do
    digest=${uri##*@}
    case $uri in */"$service"@sha256:*) ;; *) continue ;; esac # not of this registry's
    tag=keep-$stage-${digest:7:12}
    tags=$(aws ecr describe-images --repository-name "$service" --image-ids "imageDigest=$digest" \
        --query 'imageDetails[0].imageTags' --output text)
    case $'\t'$tags$'\t' in *$'\t'$tag$'\t'*) continue ;; esac
    manifest=$(aws ecr batch-get-image --repository-name "$service" \
        --image-ids "imageDigest=$digest" --query 'images[0].imageManifest' --output text)
    aws ecr put-image --repository-name "$service" --image-tag "$tag" --image-digest "$digest" \
        --image-manifest "$manifest" > /dev/null
    echo "Kept as $tag: $digest" >&2
done
