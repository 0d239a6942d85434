#!/bin/bash
# Starts ejabberd (a package of the system) for a measurement, on the loopback port 15622,
# with stream management and the archive in Mnesia, without limits, with new data in a
# folder of its own, and without ejabberdctl and epmd. What a load tool must know is
# written to $XL_RUN/ejabberd/env.
#   ERL_LIBS   where its Erlang libraries are
#   XL_ERL     options of Erlang; by default its schedulers do not wait busily, which
#              would be counted as ejabberd's
set -euo pipefail
source "$(dirname "$0")/servers.sh"
port=15622 dir=$run/ejabberd
taken $port
rm -rf "$dir"
mkdir -p "$dir/db"
cat >"$dir/ejabberd.yml" <<CONFIG
loglevel: error
hosts: [localhost]
listen:
  -
    port: $port
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: infinity
    max_fsm_queue: 1000000
    shaper: none
    access: all
    backlog: 1024
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
auth_method: [internal]
auth_password_format: scram
auth_scram_hash: sha
max_fsm_queue: 1000000
registration_timeout: infinity
modules:
  mod_disco: {}
  mod_mam:
    db_type: mnesia
    default: never
  mod_register:
    ip_access: all
    access: all
    password_strength: 0
  mod_roster: {}
  mod_stream_mgmt: {}
CONFIG
printf '%s\n' '{lookup,["file","native"]}.' '{host,{127,0,0,1}, ["localhost"]}.' >"$dir/inetrc"
ulimit -n 20000 2>/dev/null || true
export HOME=$dir ERL_LIBS=${ERL_LIBS:-/usr/lib/x86_64-linux-gnu} ERL_INETRC=$dir/inetrc ERL_MAX_PORTS=32000 \
  ERL_MAX_ETS_TABLES=1400 ERL_CRASH_DUMP=/dev/null EJABBERD_CONFIG_PATH=$dir/ejabberd.yml \
  EJABBERD_LOG_PATH=$dir/ejabberd.log EJABBERD_PID_PATH=$dir/beam.pid
cd "$dir"
# shellcheck disable=SC2086 # the options are several
launch ejabberd "listens $port" erl -sname ejabberd@localhost -start_epmd false -erl_epmd_port 15299 \
  -kernel inet_dist_use_interface '{127,0,0,1}' +K true +P 250000 ${XL_ERL:-+sbwt none +sbwtdcpu none +sbwtdio none} \
  -noinput -mnesia dir "\"$dir/db\"" -s ejabberd <<ENV
VERSION='ejabberd $(dpkg-query -W -f '${Version}' ejabberd 2>/dev/null || echo "?"), archive mnesia'
FEATURES='plain ibr scram'
ADDR='127.0.0.1:$port'
DOMAIN='localhost'
ENV
