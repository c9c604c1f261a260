#!/usr/bin/env bash
# Takes the newest price list (or the version named) and says what changes: `npm run prices:update [-- --check] [version]`.
# With --check nothing is written. Stored costs never change: a turn's cost is part of its event in the log.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/tools.sh"
cd "$SAGE_ROOT"
check=""; version=""
for argument in "$@"; do
  case "$argument" in
    --check) check=--check ;;
    [0-9]*) version="==$argument" ;;
    *) echo "prices:update: takes --check and a version, not: $argument" >&2; exit 2 ;;
  esac
done
# Beside the tools first: the list is written only by a package that can be read.
package="$(mktemp -d)"
trap 'rm -rf "$package"' EXIT
"$SAGE_PYTHON" -m pip install --quiet --disable-pip-version-check --target "$package" "genai-prices$version"
PYTHONPATH="$package" "$SAGE_PYTHON" scripts/prices-update.py $check
[ -z "$check" ] || exit 0
# The tests hold Sage's prices against the package of the same version.
version="$(PYTHONPATH="$package" "$SAGE_PYTHON" -c 'from importlib.metadata import version; print(version("genai-prices"))')"
sed -i.old "s/^genai-prices==.*/genai-prices==$version/" tests/requirements.txt && rm tests/requirements.txt.old
"$SAGE_PYTHON" -m pip install --quiet --disable-pip-version-check "genai-prices==$version"
cp tests/requirements.txt "$SAGE_TOOLS/python/requirements.txt"
