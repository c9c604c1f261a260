#!/usr/bin/env bash
# Builds the Worker into build/ (or the folder named first), with the cargo features named second.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/tools.sh"
cd "$SAGE_ROOT"
out="$(mkdir -p "${1:-build}" && cd "${1:-build}" && pwd)"
# Built from what was there when the stamp was made; nothing newer, nothing to do.
stamp="target/$(basename "$out").stamp"
mkdir -p target
if [ -e "$out/index_bg.wasm" ] && [ -e "$stamp" ] && [ -z "$(find Cargo.toml Cargo.lock sage.toml prices.toml scripts/build.sh package-lock.json snippet schemas \
  exporter aggregator collector -type f -newer "$stamp" -print -quit)" ]; then
  exit 0
fi
began="$stamp.$$"
touch "$began"
trap 'rm -f "$began" "$began.log" "$began.scripts"' EXIT
toolchain="$(edge_toolchain_dir)" || { echo "build: no Rust compiler for $WASM_TARGET; run scripts/setup.sh" >&2; exit 1; }
[ -z "$toolchain" ] || export PATH="$toolchain:$PATH"
export WASM_BINDGEN_BIN="$(command -v wasm-bindgen)"
export WASM_OPT_BIN="$SAGE_ROOT/node_modules/.bin/wasm-opt"
export ESBUILD_BIN="$SAGE_ROOT/node_modules/.bin/esbuild"
echo "build: the Worker (2 to 4 min the first time)"
log="$began.log"
worker-build --release collector --out-dir "$out" ${2:+--features "$2"} >"$log" 2>&1 || { grep -vE '^\s+(Compiling|Downloaded)' "$log" | tail -n 60 >&2; exit 1; }
# Names of functions are a fourteenth of the Worker's weight, and no one reads them at the edge.
"$WASM_OPT_BIN" --all-features -O3 --strip-debug --strip-producers "$out/index_bg.wasm" -o "$out/index_bg.wasm"
node snippet/build.mjs "$began.scripts"
mv "$out/index.js" "$out/glue.js"
cp collector/src/worker/entry.js "$out/entry.js"
"$ESBUILD_BIN" "$out/entry.js" --bundle --format=esm --log-level=warning --external:./index_bg.wasm '--external:cloudflare:*' \
  --log-override:duplicate-object-key=silent "--define:SAGE_SCRIPTS=$(cat "$began.scripts")" \
  --outfile="$out/index.js"
rm "$out/glue.js" "$out/entry.js"
mv "$began" "$stamp"
printf 'build: %s, %d KiB gzip\n' "$out" "$(($(gzip -9c "$out/index_bg.wasm" | wc -c) / 1024))"
