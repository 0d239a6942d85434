#!/bin/bash
# Starts Prosody (a package of the system) for a measurement, on the loopback port 15522,
# with stream management and the archive, without limits, with new data in a folder of
# its own. What a load tool must know is written to $XL_RUN/prosody/env.
#   XL_ARCHIVE=internal|memory   where the archive is: in files, or in memory
set -euo pipefail
source "$(dirname "$0")/servers.sh"
port=15522 dir=$run/prosody
taken $port
rm -rf "$dir"
mkdir -p "$dir/data"
cat >"$dir/prosody.cfg.lua" <<CONFIG
run_as_root = true -- if it is started so; it can be reached from this machine only
daemonize = false
pidfile = "$dir/prosody.pid"
data_path = "$dir/data"
log = { warn = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { $port }
c2s_direct_tls_ports = {}
http_ports = {}
https_ports = {}
network_backend = "epoll"
network_settings = { tcp_backlog = 1024, nagle = false }
gc = { mode = "generational" }
modules_enabled = { "roster", "saslauth", "disco", "register_ibr", "smacks", "mam" }
modules_disabled = { "limits", "offline", "s2s" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = true
registration_requires_encryption = false
authentication = "internal_hashed"
storage = { archive = "${XL_ARCHIVE:-internal}" }
default_storage = "internal"
storage_archive_item_limit = 100000000
archive_expires_after = "never"
VirtualHost "localhost"
CONFIG
launch prosody "listens $port" prosody -F --config "$dir/prosody.cfg.lua" <<ENV
VERSION='Prosody $(dpkg-query -W -f '${Version}' prosody 2>/dev/null || echo "?"), archive ${XL_ARCHIVE:-internal}'
FEATURES='plain ibr scram'
ADDR='127.0.0.1:$port'
DOMAIN='localhost'
ENV
