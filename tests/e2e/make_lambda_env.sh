#!/usr/bin/env bash
# Make the environment of the emulator tests, or say that this machine has no Python 3.13 for it:
# what the image installs, locked, and AWS's client of the runtime interface.
#
#   tests/e2e/make_lambda_env.sh [folder]
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-.venv-lambda}

candidates() {
    command -v python3.13 || true
    uv python list --only-installed 3.13 2>/dev/null | awk '{print $2}' || true
    for root in "${PYENV_ROOT:-}" "$(pyenv root 2>/dev/null || true)" "$HOME/.pyenv"; do
        ls -d "$root"/versions/3.13*/bin/python3.13 2>/dev/null || true
    done
}

# A shim may be there and yet run nothing, so each candidate is tried.
python=
while read -r one; do
    if "$one" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then
        python=$one
        break
    fi
done < <(candidates)

rm -rf "$folder"
mkdir -p "$folder"
if [ -z "$python" ]; then
    echo "no Python 3.13 found: the emulator tests will be skipped" >&2
    exit 0
fi
uv venv -q --allow-existing --python "$python" "$folder"
uv pip install -q --python "$folder/bin/python" --require-hashes -r infra/image-requirements.txt
# Compiled, as in the image: the functions under the emulator may write nothing beside their code.
uv pip install -q --python "$folder/bin/python" --compile-bytecode awslambdaric==4.2.2
