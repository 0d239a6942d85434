#!/bin/bash
# Ends what sqlite-up.sh started.
source "$(dirname "$0")/servers.sh"
stop sqlite
