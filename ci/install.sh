#!/usr/bin/env bash
# Installs reconciler from the checkout that this script is in, into an environment of its own.
#
#   install.sh FOLDER [PYTHON]
#
# What it depends on is pinned by hash, the package itself is this checkout: what was reviewed is
# what runs. Python is started isolated (-I): the job's folder holds other people's files, and a
# pip.py among them would otherwise be run, with the job's secrets at hand.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
"${2:-python3}" -I -m venv "$folder"
install=("$folder/bin/python" -I -m pip install --quiet --disable-pip-version-check)
"${install[@]}" --require-hashes -r "$checkout/requirements/demo.txt"
"${install[@]}" --no-deps --no-build-isolation "$checkout"
