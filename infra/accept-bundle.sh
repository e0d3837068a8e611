#!/usr/bin/env bash
# Put a bundle that another job trained into models/default, if it is the one that was trained and
# may replace the one there; and write its bill of materials to bundle.cdx.json.
#
#   infra/accept-bundle.sh FOLDER SHA256-OF-ITS-MANIFEST [models/broad]
#
# models/broad, where it is named, is the one to replace instead.
# The manifest names the digest of the model. Needs the locked packages of the image in .venv. What
# runs the model is given nothing of the job's environment but where Python's own library lies.
set -euo pipefail
cd "$(dirname "$0")/.."
new=$1 sha256=$2 current=${3:-models/default}

echo "$sha256  $new/manifest.json" | sha256sum --check --strict --quiet
env -i ${LD_LIBRARY_PATH:+LD_LIBRARY_PATH="$LD_LIBRARY_PATH"} .venv/bin/python -m pipeline.training.accept \
    "$current" "$new" infra/training-requirements.txt > bundle.cdx.json
# These two and nothing else that the other job may have left there.
cp -- "$new/model.onnx" "$new/manifest.json" "$current/"
