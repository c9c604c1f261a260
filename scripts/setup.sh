#!/usr/bin/env bash
# Installs what Sage needs to build, run and test, and nothing that is already there.
# `setup.sh` for building and running; `setup.sh test` adds a browser and the readers that the tests use.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/tools.sh"
cd "$SAGE_ROOT"
log_dir="$SAGE_TOOLS/log"
mkdir -p "$SAGE_TOOLS/bin" "$log_dir"

die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# step "what, and about how long" log-name command…: a line at the start, one every 30 s, the log's tail on failure.
step() {
  local what="$1" log="$log_dir/$2.log" began=$SECONDS; shift 2
  printf 'setup: %s\n' "$what"
  "$@" >"$log" 2>&1 </dev/null & local pid=$!
  local shown=0
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    if (( SECONDS - began - shown >= 30 )); then shown=$((SECONDS - began)); printf 'setup:   … %d s\n' "$shown"; fi
  done
  wait "$pid" || { tail -n 25 "$log" >&2; die "failed: $what (the whole log is $log)"; }
  printf 'setup:   done in %d s\n' "$((SECONDS - began))"
}

can_apt() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
apt_install() {
  command -v apt-get >/dev/null || die "please install one of: $* (this script can only do so with apt-get)"
  if [ ! -e "$log_dir/apt-updated" ] || [ -n "$(find "$log_dir/apt-updated" -mmin +720)" ]; then
    as_root apt-get update && touch "$log_dir/apt-updated"
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# --- Node ---------------------------------------------------------------------------------------------------------
if ! node_is_new_enough; then
  command -v npm >/dev/null || die "please install Node.js 22.12 or newer"
  step "Node.js 24, because $(node --version 2>/dev/null || echo none) is older than 22.12 (about 20 s)" node \
    npm install --prefix "$SAGE_TOOLS/node" --no-save --no-audit --no-fund "$NODE_PACKAGE"
  hash -r
  node_is_new_enough || die "Node.js from $NODE_PACKAGE does not run here; please install Node.js 22.12 or newer"
fi
if ! cmp -s package-lock.json node_modules/.sage-lock; then
  step "npm packages (about 30 s)" npm npm ci --no-audit --no-fund
  cp package-lock.json node_modules/.sage-lock
fi

# --- Rust for WASM ------------------------------------------------------------------------------------------------
build_wasm_std() {
  local dir="$SAGE_TOOLS/wasm-std" libdir
  rm -rf "$dir" && mkdir -p "$dir/src"
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[profile.release]\npanic = "abort"\n[workspace]\n' >"$dir/Cargo.toml"
  printf '#![no_std]\n' >"$dir/src/lib.rs"
  (cd "$dir" && RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR="$dir/target" \
    /usr/bin/cargo build --release -Z build-std=std,panic_abort --target "$WASM_TARGET")
  libdir="$(/usr/bin/rustc --print target-libdir --target "$WASM_TARGET")"
  as_root mkdir -p "$libdir"
  find "$dir/target/$WASM_TARGET/release/deps" -name '*.rlib' ! -name 'libempty-*' -exec cp {} "$dir/" \;
  as_root cp "$dir"/*.rlib "$libdir/"
  rm -rf "$dir"
}
if ! edge_toolchain_dir >/dev/null; then
  command -v rustup >/dev/null || command -v apt-get >/dev/null || die "please install rustup (https://rustup.rs)"
  if command -v rustup >/dev/null; then
    printf 'setup: rustup target add %s (at most 60 s)\n' "$WASM_TARGET"
    timeout 60 rustup target add "$WASM_TARGET" >"$log_dir/rustup.log" 2>&1 </dev/null || printf 'setup:   not to be had from rustup here\n'
  fi
  if ! edge_toolchain_dir >/dev/null; then
    command -v apt-get >/dev/null || die "rustup could not add $WASM_TARGET; see $log_dir/rustup.log"
    step "Debian's Rust for the web (about 1 min)" rust-web apt_install rustc-web cargo-web libstd-rust-web-dev rust-web-src rust-web-clippy
    step "the standard library for $WASM_TARGET (about 2 min)" wasm-std build_wasm_std
    rm -rf "$SAGE_ROOT/target/$WASM_TARGET"
    edge_toolchain_dir >/dev/null || die "no Rust compiler with $WASM_TARGET; see $log_dir/wasm-std.log"
  fi
fi
if ! command -v rust-lld >/dev/null; then
  lld="$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld"
  [ -x "$lld" ] || { step "the linker lld (about 20 s)" lld apt_install lld; lld="$(command -v lld)"; }
  ln -sf "$lld" "$SAGE_TOOLS/bin/rust-lld"
fi

# --- The Worker's build tools: run once a build, so quick to compile matters more than quick to run -----------------
cargo_tool() {
  (cd "$SAGE_TOOLS" && CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_TARGET_DIR="$SAGE_TOOLS/build" cargo install --root "$SAGE_TOOLS/cargo" --force "$@")
}
if [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $WASM_BINDGEN_VERSION" ]; then
  step "wasm-bindgen $WASM_BINDGEN_VERSION (about 3 min, once a machine)" wasm-bindgen cargo_tool "wasm-bindgen-cli@$WASM_BINDGEN_VERSION"
fi
if [ "$(worker-build --version 2>/dev/null)" != "$WORKER_BUILD_VERSION" ]; then
  step "worker-build $WORKER_BUILD_VERSION (about 3 min, once a machine)" worker-build cargo_tool "worker-build@$WORKER_BUILD_VERSION" --locked
fi
rm -rf "$SAGE_TOOLS/build"

# --- What only the tests use --------------------------------------------------------------------------------------
if [ "${1:-}" = test ]; then
  if ! find_browser >/dev/null; then
    # Ubuntu's package of that name is a snap, which does not run everywhere: there Playwright's own is the way, too.
    if can_apt && ! grep -qi '^ID=ubuntu' /etc/os-release 2>/dev/null; then
      step "Chromium (about 1 min)" chromium apt_install chromium fonts-dejavu-core
    else
      step "Playwright's Chromium (about 1 min)" chromium env PLAYWRIGHT_BROWSERS_PATH="$SAGE_TOOLS/browsers" \
        node_modules/.bin/playwright-core install --no-shell chromium
    fi
    find_browser >/dev/null || die "no Chromium; install one and set SAGE_BROWSER to its path (see $log_dir/chromium.log)"
  fi
  if ! cmp -s tests/requirements.txt "$SAGE_TOOLS/python/requirements.txt"; then
    python_readers() {
      python3 -m venv "$SAGE_TOOLS/python" && "$SAGE_PYTHON" -m pip install --quiet -r tests/requirements.txt \
        && cp tests/requirements.txt "$SAGE_TOOLS/python/requirements.txt"
    }
    step "DuckDB, pyarrow and genai-prices for the tests (about 1 min)" python python_readers
  fi
fi
