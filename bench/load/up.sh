#!/bin/bash
# Starts the ready server for a measurement, on loopback ports 15222 (STARTTLS
# and plaintext) and 15223 (direct TLS), without limits, everything in memory.
# What a load tool must know is written to $XL_RUN/load/env.
set -euo pipefail
source "$(dirname "$0")/servers.sh"
build
args=(-listen-s2s '' -listen 127.0.0.1:15222 -listen-tls 127.0.0.1:15223)
[[ -s $run/cert/key.pem ]] && args+=(-cert "$run/cert/cert.pem" -key "$run/cert/key.pem")
start load "${args[@]}" <<ENV
VERSION='Etherx $(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo "?"), $(go version | cut -d' ' -f3)'
FEATURES='plain tls ibr scram'
ADDR='127.0.0.1:15222'
TLS_ADDR='127.0.0.1:15223'
TLS_MODE='direct'
DOMAIN='localhost'
ACCOUNTS='${ACCOUNTS:-10000}'
ENV
