#!/usr/bin/env bash
# One door for every command of package.json: installs what is missing, then does it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/tools.sh"
cd "$SAGE_ROOT"
command="$1"; shift

case "$command" in
  build) exec bash scripts/build.sh "$@" ;;
  start)
    bash scripts/setup.sh
    bash scripts/build.sh
    exec node scripts/start.mjs "$@"
    ;;
  test)
    bash scripts/setup.sh test
    exec bash scripts/test.sh "$@"
    ;;
  bench)
    bash scripts/setup.sh test
    bash scripts/build.sh
    bash scripts/build.sh target/edge-faults fault-injection
    exec node tests/bench/bench.mjs "$@"
    ;;
  demo)
    bash scripts/setup.sh
    exec node demo/history.mjs "$@"
    ;;
  deploy)
    bash scripts/setup.sh
    exec node_modules/.bin/wrangler deploy "$@"
    ;;
  prices:update)
    bash scripts/setup.sh test
    exec bash scripts/prices-update.sh "$@"
    ;;
  prices:reprice)
    bash scripts/setup.sh
    exec node scripts/prices-reprice.mjs "$@"
    ;;
  *) echo "run.sh: no such command: $command" >&2; exit 2 ;;
esac
