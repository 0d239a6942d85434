#!/bin/bash
# Ends what s2s-up.sh started.
for x in one two; do
  dir=${XL_RUN:-/tmp/xmppload-run}/load-$x
  pid=$(cat "$dir/pid" 2>/dev/null) || continue
  kill -TERM "$pid" 2>/dev/null
  for _ in $(seq 100); do
    [[ -d /proc/$pid ]] || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null
  rm -f "$dir/pid" "$dir/env"
done
exit 0
