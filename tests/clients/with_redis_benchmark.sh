#!/usr/bin/env bash
# redis-benchmark: every node in turn, no error, and a rate for the log (not a demand: the machine is shared).
set -euo pipefail
checks=0
for port in $CHICKADEE_PORTS; do
  said=$(redis-benchmark -p "$port" -t set,get,incr,mset -n 20000 -r 10000 -P 16 -q 2>&1 | tr '\r' '\n' | grep -v 'rps=' || true)
  for test in SET GET INCR MSET; do
    grep -q "^$test.*requests per second" <<<"$said" || { echo "FAILED redis-benchmark: no result for $test: $said"; exit 1; }
    checks=$((checks + 1))
  done
  if grep -i error <<<"$said"; then echo "FAILED redis-benchmark: errors"; exit 1; fi
  checks=$((checks + 1))
  # Large and unpipelined, too.
  redis-benchmark -p "$port" -t set,get -n 2000 -d 65536 -c 10 -q >/dev/null
  checks=$((checks + 1))
done
echo "ok redis-benchmark: $checks checks ($(grep -oE '^(SET|GET): [0-9]+' <<<"$said" | tr '\n' ' ')per second at depth 16)"
