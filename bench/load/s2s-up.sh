#!/bin/bash
# Starts two ready servers that federate, one.test and two.test, by dialback over
# TLS, for a measurement. What a load tool must know is written to
# $XL_RUN/load-one/env and load-two/env.
set -euo pipefail
source "$(dirname "$0")/servers.sh"
build
pair() { # NAME PORT S2SPORT OTHERNAME OTHERPORT
  start "load-$1" -domain "$1.test" -listen "127.0.0.1:$2" -listen-tls '' \
    -listen-s2s "127.0.0.1:$3" -s2s-map "$4.test=127.0.0.1:$5" <<ENV
ADDR='127.0.0.1:$2'
DOMAIN='$1.test'
ENV
}
pair one 15322 15269 two 15270
pair two 15422 15270 one 15269
