#!/bin/bash
# Ends what up.sh started.
source "$(dirname "$0")/servers.sh"
stop load
