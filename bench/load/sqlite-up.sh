#!/bin/bash
# Starts the ready server for a measurement as up.sh does, on the loopback port 15722,
# with new data in an SQLite database, each change synced. What a load tool must know is
# written to $XL_RUN/sqlite/env.
set -euo pipefail
source "$(dirname "$0")/servers.sh"
port=15722 dir=$run/sqlite
taken $port
rm -rf "$dir"
build
start sqlite -listen-s2s '' -listen-tls '' -listen "127.0.0.1:$port" -data "$dir/data" <<ENV
VERSION='Etherx $(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo "?"), $(go version | cut -d' ' -f3), SQLite'
FEATURES='plain ibr scram'
ADDR='127.0.0.1:$port'
DOMAIN='localhost'
ENV
