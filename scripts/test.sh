#!/usr/bin/env bash
# Everything that must hold, cheapest first. Ends with the test runner's own closing lines.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/tools.sh"
cd "$SAGE_ROOT"
began=$SECONDS
section() { printf '\n== %s (%d s)\n' "$1" "$((SECONDS - began))"; }

section "format and lints"
cargo fmt --check
cargo clippy --quiet --workspace --all-targets -- -D warnings
(
  toolchain="$(edge_toolchain_dir)"
  [ -z "$toolchain" ] || export PATH="$toolchain:$PATH"
  for features in "" fault-injection; do
    cargo clippy --quiet -p collector --target "$WASM_TARGET" --features "$features" -- -D warnings
  done
)
for project in demo demo/public tests scripts; do node_modules/.bin/tsc -p "$project/jsconfig.json"; done
node_modules/.bin/tsc -p snippet/tsconfig.json

section "rules, beside the rules"
cargo test --quiet --workspace

section "prices, usage and devices against the reference packages"
cargo build --quiet --release -p collector --bin sage-inspect
cargo test --quiet --release -p collector --lib -- real_replies user_agents
"$SAGE_PYTHON" tests/prices_oracle.py target/release/sage-inspect tests/data/usage_bodies.jsonl

section "texts: Presidio's cases, planted values, hostile input"
"$SAGE_PYTHON" tests/pii_oracle.py target/release/sage-inspect tests/data/pii_cases.jsonl
cargo test --quiet --release -p collector --lib redact::hostile

section "statistics against scipy and statsmodels"
cargo build --quiet -p aggregator --example stats
"$SAGE_PYTHON" tests/stats_oracle.py target/debug/examples/stats

section "the Worker, and one that can be told to fail"
bash scripts/build.sh
bash scripts/build.sh target/edge-faults fault-injection
node_modules/.bin/wrangler deploy --dry-run --outdir target/dry-run >target/dry-run.log 2>&1 || { cat target/dry-run.log; exit 1; }
grep -E 'Total Upload|dry-run' target/dry-run.log

section "end to end"
node --test --test-concurrency=2 --test-timeout=900000 "$@" demo/*.test.mjs tests/*.test.mjs tests/e2e/*.test.mjs
