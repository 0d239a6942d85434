#!/bin/bash
# Starts the ready server for a measurement, on loopback ports 15222 (STARTTLS
# and plaintext) and 15223 (direct TLS), without limits, everything in memory.
# What a load tool must know is written to $XL_RUN/load/env.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=${XL_RUN:-/tmp/xmppload-run}/load
mkdir -p "$dir"
rm -f "$dir/env" "$dir/out"
(cd "$root" && go build -o "$dir/server" ./examples/server)
args=(-data memory -listen-s2s '' -listen 127.0.0.1:15222 -listen-tls 127.0.0.1:15223 -allow-plaintext -register -rate -1 -max-stanza -1)
cert=${XL_RUN:-/tmp/xmppload-run}/cert
[[ -s $cert/key.pem ]] && args+=(-cert "$cert/cert.pem" -key "$cert/key.pem")
setsid "$dir/server" "${args[@]}" >"$dir/out" 2>/dev/null </dev/null &
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
VERSION='Etherx $(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo "?"), $(go version | cut -d' ' -f3)'
FEATURES='plain tls ibr scram'
ADDR='127.0.0.1:15222'
TLS_ADDR='127.0.0.1:15223'
TLS_MODE='direct'
DOMAIN='localhost'
ACCOUNTS='${ACCOUNTS:-10000}'
ENV
