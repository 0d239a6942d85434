#!/bin/bash
# Starts two ready servers that federate, one.test and two.test, by dialback over
# TLS, for a measurement. What a load tool must know is written to
# $XL_RUN/load-one/env and load-two/env.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
run=${XL_RUN:-/tmp/xmppload-run}
mkdir -p "$run/load-one" "$run/load-two"
(cd "$root" && go build -o "$run/load-one/server" ./examples/server)
start() { # NAME DOMAIN PORT S2SPORT OTHERDOMAIN OTHERPORT
  local dir=$run/load-$1 pid
  rm -f "$dir/env" "$dir/out"
  setsid "$run/load-one/server" -data memory -domain "$2" -listen "127.0.0.1:$3" -listen-tls '' \
    -listen-s2s "127.0.0.1:$4" -s2s-map "$5=127.0.0.1:$6" -listen-component '' -listen-http '' \
    -allow-plaintext -register -rate -1 -max-stanza -1 >"$dir/out" 2>"$dir/log" </dev/null &
  pid=$!
  echo "$pid" >"$dir/pid"
  for _ in $(seq 100); do
    grep -qx ready "$dir/out" && break
    [[ -d /proc/$pid ]] || { echo "the server ended" >&2; exit 1; }
    sleep 0.1
  done
  grep -qx ready "$dir/out" || { echo "the server is not ready after 10 s" >&2; exit 1; }
  cat >"$dir/env" <<ENV
PID='$pid'
ADDR='127.0.0.1:$3'
DOMAIN='$2'
ENV
}
start one one.test 15322 15269 two.test 15270
start two two.test 15422 15270 one.test 15269
