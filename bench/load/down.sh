#!/bin/bash
# Ends what up.sh started.
dir=${XL_RUN:-/tmp/xmppload-run}/load
pid=$(cat "$dir/pid" 2>/dev/null) || exit 0
kill -TERM "$pid" 2>/dev/null
for _ in $(seq 100); do
  [[ -d /proc/$pid ]] || break
  sleep 0.1
done
kill -KILL "$pid" 2>/dev/null
rm -f "$dir/pid" "$dir/env"
exit 0
