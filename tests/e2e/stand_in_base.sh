#!/usr/bin/env bash
# Make what stands in for AWS's base image where its registry is out of reach: the same places,
# variables and entrypoint, with Debian in the place of Amazon Linux.
#
#   tests/e2e/stand_in_base.sh IMAGE PYTHON EMULATOR
#
# Needs root, podman, debootstrap and uv. PYTHON is a Python 3.13 of this machine, EMULATOR AWS's
# Runtime Interface Emulator. Debian comes from where apt has it, packages from where uv has them.
set -euo pipefail
image=$1 python=$2 emulator=$3

# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
# shellcheck disable=SC2016  # apt expands it
mirror=$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' "Codename: $suite" 'Component: main' | head -n 1)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
debootstrap --variant=minbase "$suite" "$root" "$mirror" >&2

# Python, without the packages of its own machine.
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
lang=$root/var/lang
mkdir -p "$lang/bin" "$lang/lib" "$root/var/runtime" "$root/var/task"
cp "$prefix/bin/python3.13" "$lang/bin/"
ln -s python3.13 "$lang/bin/python3"
ln -s python3.13 "$lang/bin/python"
tar -C "$prefix/lib" --exclude=__pycache__ --exclude='python3.13/*-packages/*' \
    --exclude=python3.13/test --exclude='_tkinter*' -c python3.13 | tar -C "$lang/lib" -x
find "$prefix/lib" -maxdepth 1 -name 'libpython3*' -exec cp -a {} "$lang/lib/" \;
# What it is linked to, where Debian's smallest system has it not.
{ ldd "$lang/bin/python3.13" "$lang"/lib/python3.13/lib-dynload/*.so || true; } |
    awk '$2 == "=>" && $3 ~ "^/" {print $3}' | sort -u | while read -r library; do
    [ -e "$root$library" ] || [ -e "$lang/lib/${library##*/}" ] || cp -L "$library" "$lang/lib/"
done
# As in AWS's image, an SDK older than the project's lies there too, and must not be used.
uv pip install -q --python "$python" --target "$lang/lib/python3.13/site-packages" \
    pip==26.0 awslambdaric==4.2.2 boto3==1.40.0 >&2

install -m 755 "$emulator" "$root/usr/local/bin/aws-lambda-rie"
cat >"$root/var/runtime/bootstrap" <<'EOF'
#!/bin/sh
exec python -m awslambdaric "$_HANDLER"
EOF
cat >"$root/lambda-entrypoint.sh" <<'EOF'
#!/bin/sh
export _HANDLER="$1"
[ -n "$AWS_LAMBDA_RUNTIME_API" ] || exec aws-lambda-rie /var/runtime/bootstrap
exec /var/runtime/bootstrap
EOF
chmod 755 "$root/var/runtime/bootstrap" "$root/lambda-entrypoint.sh"

tar -C "$root" --exclude=./var/cache --exclude=./var/lib/apt/lists -c . | podman import -q \
    -c 'ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin' \
    -c 'ENV LD_LIBRARY_PATH=/var/lang/lib' \
    -c 'ENV LAMBDA_TASK_ROOT=/var/task' \
    -c 'ENV LAMBDA_RUNTIME_DIR=/var/runtime' \
    -c 'WORKDIR /var/task' \
    -c 'ENTRYPOINT ["/lambda-entrypoint.sh"]' - "$image"
