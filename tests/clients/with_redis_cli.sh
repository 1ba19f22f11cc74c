#!/usr/bin/env bash
# redis-cli: one command, a pipe of commands, RESP 3 with a terminal, and the views of the cluster.
set -euo pipefail
read -r first second third <<<"$CHICKADEE_PORTS"
checks=0
name="redis-cli $(redis-cli --version | grep -o '[0-9.]*' | head -1)"

fail() { echo "FAILED $name: $1: got '$2', wanted '$3'"; exit 1; }
is() { # is WHAT WANTED COMMAND...; tried again, because another node's read may be a moment behind a write
  local seen tries
  for tries in 1 2 3 4 5; do
    seen=$("${@:3}" 2>&1) || true
    [[ $seen == "$2" || "${*:3}" == *incr* ]] && break
    sleep 0.1
  done
  checks=$((checks + 1)); [ "$seen" = "$2" ] || fail "$1" "$seen" "$2"
}
like() { # like WHAT PATTERN COMMAND...
  local seen; seen=$("${@:3}" 2>&1) || true
  checks=$((checks + 1)); grep -Eq -- "$2" <<<"$seen" || fail "$1" "$seen" "$2"
}
cli() { redis-cli -p "$@"; }

is "set" OK cli "$first" set k v
is "get elsewhere" v cli "$third" get k
is "get in RESP 3" v cli "$second" -3 get k
is "nothing" "" cli "$second" get none
is "incr" 1 cli "$second" incr redis-cli:n
like "an unknown command" "unknown command 'nosuch'" cli "$first" nosuch
is "a value from standard input" OK bash -c "printf 'a\0b' | redis-cli -p $first -x set stdin"
is "its length" 3 cli "$second" strlen stdin
is "a pipe of commands" "$(printf 'OK\nOK\n1\n2')" bash -c "printf 'set a 1\nset b 2\nget a\nget b\n' | redis-cli -p $first"
like "mass insertion" "errors: 0, replies: 1000" bash -c \
  "for i in \$(seq 1000); do printf 'SET mass:%d %d\r\n' \$i \$i; done | redis-cli -p $second --pipe"
is "mass insertion arrived" 777 cli "$third" get mass:777
is "another database" "" cli "$first" -n 5 get k
is "ready" ready cli "$first" chickadee ready
is "three alive" 3 bash -c "redis-cli -p $second chickadee members | grep -c alive"
is "three alive in RESP 3" 3 bash -c "redis-cli -3 -p $second chickadee members | grep -c alive"
like "status" "^members$" cli "$first" chickadee status
like "status in RESP 3" "^members 3$" cli "$first" -3 chickadee status
like "explain" "^owners" cli "$first" -3 chickadee explain k
like "explain names the slot of the key" "^slot 7629$" cli "$second" -3 chickadee explain k
like "info" "^redis_version:" cli "$third" info
like "latency" "^[0-9]+ [0-9]+ [0-9.]+ [0-9]+" timeout 5 redis-cli -p "$first" --latency --raw -i 1

# A person at a terminal. `script` gives redis-cli one, and with it the hints that COMMAND DOCS feeds.
terminal() {
  { for line in "$@"; do sleep 0.2; printf '%s\n' "$line"; done; sleep 0.3; } |
    TERM=dumb timeout 20 script -qec "redis-cli $flags -p $first" /dev/null | tr -d '\r'
}
for flags in "-3" "-2"; do
  like "a terminal $flags" '^"elsewhere"$' terminal 'set t elsewhere' 'get t' 'exit'
  like "members at a terminal $flags" '"alive"' terminal 'chickadee members' 'exit'
  like "hello at a terminal $flags" 'proto' terminal 'hello' 'exit'
  like "an error at a terminal $flags" '^\(error\) ERR' terminal 'incr t' 'exit'
done
like "set by a terminal" elsewhere cli "$third" get t
is "flush" OK cli "$second" flushall
is "empty" 0 cli "$third" dbsize
echo "ok $name: $checks checks"
