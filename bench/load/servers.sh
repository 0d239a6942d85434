# What the scripts of this folder share: servers that are started for a measurement and
# ended. Each has a folder in $run, with its pid, what it said, and in env what a load
# tool must know.
run=${XL_RUN:-/tmp/xmppload-run}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# build makes the ready server, $run/server.
build() {
  mkdir -p "$run"
  (cd "$root" && go build -o "$run/server" ./examples/server)
}

# start NAME FLAG... starts a ready server without limits, with everything in memory,
# and waits until it is ready. What is to be in its env, beside PID, comes on the input.
start() {
  local name=$1
  shift
  launch "$name" 'grep -qx ready out' "$run/server" -data memory -listen-component '' -listen-http '' \
    -allow-plaintext -register -rate -1 -max-stanza -1 "$@"
}

# launch NAME TEST COMMAND... starts a server, and waits until TEST, which is run in its
# folder, says that it is ready. The input is as for start.
launch() {
  local dir=$run/$1 test=$2 pid
  shift 2
  mkdir -p "$dir"
  rm -f "$dir/env" "$dir/out"
  setsid "$@" >"$dir/out" 2>"$dir/log" </dev/null &
  pid=$!
  echo "$pid" >"$dir/pid"
  for _ in $(seq 300); do
    (cd "$dir" && eval "$test") 2>/dev/null && break
    [[ -d /proc/$pid ]] || { echo "the server ended, see $dir/log" >&2; exit 1; }
    sleep 0.1
  done
  (cd "$dir" && eval "$test") 2>/dev/null || { echo "the server is not ready after 30 s, see $dir/log" >&2; exit 1; }
  { echo "PID='$pid'"; cat; } >"$dir/env"
}

# listens PORT is a TEST for launch.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

# taken PORT ends the script if something listens there.
taken() {
  if listens "$1" 2>/dev/null; then
    echo "port $1 is taken" >&2
    exit 1
  fi
}

# stop NAME ends a server, if there is one.
stop() {
  local dir=$run/$1 pid
  pid=$(cat "$dir/pid" 2>/dev/null) || return 0
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 100); do
    [[ -d /proc/$pid ]] || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$dir/pid" "$dir/env"
}
