#!/usr/bin/env bash
# Verify that a run of deploy.yml, on main and on a machine of GitHub's, vouched for how each subject
# was made and for what it is made of: this run, or the run of the commit in SOURCE. Needs gh,
# GH_TOKEN and GitHub's variables.
#
#   infra/verify-attested.sh FILE|oci://REPOSITORY@DIGEST ...
set -euo pipefail

for subject; do
    for predicate in https://slsa.dev/provenance/v1 https://cyclonedx.org/bom; do
        gh attestation verify "$subject" --repo "$GITHUB_REPOSITORY" --predicate-type "$predicate" \
            --signer-workflow "$GITHUB_REPOSITORY/.github/workflows/deploy.yml" \
            --source-ref refs/heads/main --source-digest "${SOURCE:-$GITHUB_SHA}" --deny-self-hosted-runners
    done
done
