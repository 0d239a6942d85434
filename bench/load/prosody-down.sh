#!/bin/bash
# Ends what prosody-up.sh started.
source "$(dirname "$0")/servers.sh"
stop prosody
