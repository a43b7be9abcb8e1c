#!/bin/sh
# Writes the hashed requirement files anew from pyproject.toml; pins that still fit are kept, so to
# take newer releases delete the files first. One resolution serves Python 3.11 and newer on every
# system (--universal), and no file names a package index: who installs decides where from.
set -eu

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
workshop=$(mktemp -d)
trap 'rm -rf "$workshop"' EXIT
"$python" -m venv "$workshop"
"$workshop/bin/python" -m pip install --quiet --disable-pip-version-check uv

lock() {
    target=$1
    shift
    printf 'Locking requirements/%s ...\n' "$target"
    "$workshop/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --annotation-style line \
        --constraint requirements/intel-mac.txt --output-file "requirements/$target" "$@"
}

# From the widest to the narrowest, each holding the next to its own pins: ranks never disagree.
lock browser.txt pyproject.toml --group test --group browser
lock test.txt pyproject.toml --group test --constraint requirements/browser.txt
lock runtime.txt pyproject.toml --constraint requirements/browser.txt
lock build.txt --group build --constraint requirements/browser.txt
