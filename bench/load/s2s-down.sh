#!/bin/bash
# Ends what s2s-up.sh started.
source "$(dirname "$0")/servers.sh"
stop load-one
stop load-two
