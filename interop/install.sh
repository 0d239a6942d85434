#!/bin/sh
# Installs the Debian packages that the interop suite runs against: the two
# foreign servers, the five foreign clients and the compiler of the cgo
# comparisons. No service is started: a policy-rc.d that forbids it is in place
# for as long as apt runs, and what was there before comes back afterwards.
# Does nothing, quickly, when everything is installed. Needs root or sudo.
set -eu

packages="prosody lua-unbound ejabberd python3-slixmpp profanity go-sendxmpp libnet-xmpp-perl libphp-jabber tmux util-linux gnupg gcc libc6-dev libexpat1-dev ca-certificates"
policy=/usr/sbin/policy-rc.d

fail() {
	echo "interop/install.sh: $*" >&2
	exit 1
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c1-2)" = ii ]
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
	fail "this is not Debian or a derivative (no apt-get); install by hand: $packages"

missing=
for p in $packages; do
	installed "$p" || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || fail "needs root, and there is no sudo, to install:$missing"
	sudo -n true 2>/dev/null || [ -t 0 ] || fail "needs root, and sudo asks for a password, to install:$missing"
	exec sudo sh "$0"
fi

saved=
restore() {
	status=$?
	trap - EXIT HUP INT TERM
	if [ -n "$saved" ]; then
		mv -f "$saved" "$policy"
	else
		rm -f "$policy"
	fi
	exit "$status"
}

# A policy that is already there (containers have one) steps aside by a rename,
# so that its mode and owner come back too.
if [ -e "$policy" ] || [ -L "$policy" ]; then
	saved=$policy.interop.$$
	mv "$policy" "$saved"
fi
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

# The package lists are fetched only when apt does not know the packages yet:
# on most machines they are there.
export DEBIAN_FRONTEND=noninteractive
install() {
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y -q --no-install-recommends $missing </dev/null
}
known() {
	# shellcheck disable=SC2086
	apt-cache show $missing >/dev/null 2>&1
}
if ! known || ! install; then
	apt-get update -q || fail "apt-get update failed"
	install || fail "could not install:$missing"
fi

for p in $missing; do
	installed "$p" || fail "$p is still not installed"
done
