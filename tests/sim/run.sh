#!/bin/bash
# Thousands of seeds of the simulation, on two threads: tests/sim/run.sh [FROM..TO]. Prints the number of each seed that
# fails and how to replay it, and ends with status 1 then. Built as tests are, so it needs no build of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec cargo run --quiet --locked --profile test -p sim -- --seeds "${1:-0..10000}" --jobs 2
