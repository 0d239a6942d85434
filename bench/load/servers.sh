# What the scripts of this folder share: ready servers that are started for a
# measurement and ended. Each has a folder in $run, with its pid, what it said, and in
# env what a load tool must know.
run=${XL_RUN:-/tmp/xmppload-run}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# build makes the ready server, $run/server.
build() {
  mkdir -p "$run"
  (cd "$root" && go build -o "$run/server" ./examples/server)
}

# start NAME FLAG... starts a server without limits, with everything in memory, and
# waits until it is ready. What is to be in its env, beside PID, comes on the input.
start() {
  local dir=$run/$1 pid
  shift
  mkdir -p "$dir"
  rm -f "$dir/env" "$dir/out"
  setsid "$run/server" -data memory -listen-component '' -listen-http '' -allow-plaintext -register \
    -rate -1 -max-stanza -1 "$@" >"$dir/out" 2>/dev/null </dev/null &
  pid=$!
  echo "$pid" >"$dir/pid"
  for _ in $(seq 100); do
    grep -qx ready "$dir/out" && break
    [[ -d /proc/$pid ]] || { echo "the server ended" >&2; exit 1; }
    sleep 0.1
  done
  grep -qx ready "$dir/out" || { echo "the server is not ready after 10 s" >&2; exit 1; }
  { echo "PID='$pid'"; cat; } >"$dir/env"
}

# stop NAME ends a server, if there is one.
stop() {
  local dir=$run/$1 pid
  pid=$(cat "$dir/pid" 2>/dev/null) || return 0
  kill -TERM "$pid" 2>/dev/null
  for _ in $(seq 100); do
    [[ -d /proc/$pid ]] || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null
  rm -f "$dir/pid" "$dir/env"
}
