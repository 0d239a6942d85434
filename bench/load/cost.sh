#!/bin/bash
# cost.sh [SERVER...] measures what stream management and the archive cost the delivery of
# a message, and prints it as a Markdown table: medians of processor time of the server, in
# µs, and in brackets how many thousand messages were delivered in a second. SERVER is
# memory, sqlite (both are the ready server), prosody, prosody-memory (its archive is in
# memory) or ejabberd; all, if none is named. It takes about six minutes.
#   XL_ROUNDS=3   rounds; each starts every server once, with new data
#   XL_D=2s       measured time of one run, behind XL_WARM=1s
set -euo pipefail
source "$(dirname "$0")/servers.sh"
here=$root/bench/load out=$run/cost
rounds=${XL_ROUNDS:-3}
servers=("$@")
[[ $# -gt 0 ]] || servers=(memory sqlite prosody prosody-memory ejabberd)

# A cell is the window, whether there is stream management, and the archive.
window20=(20-off-off 20-on-off 20-off-on 20-on-on)
window1=(1-off-off 1-on-off)

# describe SERVER sets its scripts, its name in $run, and what is measured.
describe() {
  up=$1 name=$1 archive= cells=("${window20[@]}" "${window1[@]}")
  case $1 in
    memory) up= name=load title='Etherx, memory' ;;
    sqlite) title='Etherx, SQLite' cells=("${window20[@]}") ;;
    prosody) title='Prosody, files' archive=internal ;;
    prosody-memory) up=prosody name=prosody title='Prosody, memory' archive=memory cells=(20-off-on 20-on-on) ;;
    ejabberd) title='ejabberd, Mnesia' ;;
    *) echo "there is no server $1" >&2; exit 2 ;;
  esac
  up=$here/${up:+$up-}up.sh
}

# measure CELL prints one line of figures. Archives are those of users that are new.
measure() {
  local window sm archive prefix=user flags=()
  IFS=- read -r window sm archive <<<"$1"
  [[ $sm == on ]] && flags+=(-sm)
  [[ $archive == on ]] && prefix=archived-$sm-
  (
    source "$run/$name/env"
    "$run/chat" -addr "$ADDR" -domain "$DOMAIN" -pid "$PID" -prefix "$prefix" -pairs 100 -window "$window" \
      -warm "${XL_WARM:-1s}" -d "${XL_D:-2s}" -archive "$archive" "${flags[@]}"
  )
}

end() {
  local s
  for s in load sqlite prosody ejabberd; do stop "$s"; done
}

# figures SERVER CELL prints a field of the table: the medians of all rounds.
figures() {
  local f
  for f in cpu_us per_s; do
    cat "$out/$1/$2."* 2>/dev/null | tr ' ' '\n' | sed -n "s/^$f=//p" | sort -g |
      awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'
  done | awk 'NR == 1 { cpu = $1 } NR == 2 { printf "%.1f (%.1f)", cpu, $1 / 1000 } END { if (NR < 2) printf "–" }'
}

table() {
  local s c rule='|---|' head='| |'
  for s in "${servers[@]}"; do
    describe "$s"
    head+=" $title |" rule+='---:|'
    printf '%s: %s\n' "$title" "$(cat "$out/$s/version")"
  done
  printf '\n%s\n%s\n' "$head" "$rule"
  for c in "${window20[@]}" "${window1[@]}"; do
    IFS=- read -r window sm archive <<<"$c"
    printf '| window %s' "$window"
    [[ $sm == on ]] && printf ', stream management'
    [[ $archive == on ]] && printf ', archive'
    printf ' |'
    for s in "${servers[@]}"; do printf ' %s |' "$(figures "$s" "$c")"; done
    printf '\n'
  done
}

for s in "${servers[@]}"; do describe "$s"; done
rm -rf "$out"
mkdir -p "$out"
(cd "$root" && go build -o "$run/chat" ./bench/cmd/chat)
trap end EXIT
trap 'exit 1' INT TERM
end
for ((round = 1; round <= rounds; round++)); do
  for s in "${servers[@]}"; do
    describe "$s"
    mkdir -p "$out/$s"
    XL_ARCHIVE=$archive "$up"
    (source "$run/$name/env" && echo "$VERSION") >"$out/$s/version"
    for c in "${cells[@]}"; do
      echo "round $round, $s, $c" >&2
      measure "$c" >"$out/$s/$c.$round"
      cat "$out/$s/$c.$round" >&2
    done
    stop "$name"
  done
done
table
