#!/bin/bash
# Ends what ejabberd-up.sh started.
source "$(dirname "$0")/servers.sh"
stop ejabberd
