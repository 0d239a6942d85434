#!/usr/bin/env bash
# Makes the files beside it with GnuPG 2.2, so that the tests read what another program wrote. Keys and messages are new with
# each run, but for their dates; nothing in the tests depends on more.
set -euo pipefail
cd "$(dirname "$0")"

GNUPGHOME=$(mktemp -d)
export GNUPGHOME
echo "s2k-count 65536" >"$GNUPGHOME/gpg-agent.conf"
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT

# gpg at a moment of 2026 (month and day), or at a whole date.
at() {
  local when=$1
  shift
  [[ ${#when} -gt 4 ]] || when=2026$when
  gpg --batch --yes --quiet --no-tty --pinentry-mode loopback --passphrase "${pass-}" --trust-model always \
    --faked-system-time "${when}T120000!" "$@"
}

# key NAME ALGORITHM SUBKEY-ALGORITHM WHEN EXPIRY
key() {
  at "$4" --quick-gen-key "xmpp:$1@example.org" "$2" cert,sign "$5"
  local fpr
  fpr=$(gpg --batch --with-colons --list-keys "xmpp:$1@example.org" | awk -F: '/^fpr/ {print $10; exit}')
  at "$4" --quick-add-key "$fpr" "$3" encr "$5"
  at "$4" --armor --export-secret-keys "xmpp:$1@example.org" >"$1.sec.asc"
}

key juliet ed25519 cv25519 0101 never
key romeo rsa2048 rsa2048 0101 never
key tybalt ed25519 cv25519 20200101 10d # expired long ago
key paris ed25519 cv25519 0101 never    # revoked below, for no reason that is told
key benvolio ed25519 cv25519 0101 never # revoked below, for there is a new key
key nurse dsa1024 elg1024 0101 never    # of the kind that was usual in 2001
pass=balcony key mercutio ed25519 cv25519 0101 never

sign() { # NAME WHEN OPTIONS: a detached signature of the status "Online"
  local who=$1 when=$2 out=$3
  shift 3
  printf Online | at "$when" --armor --local-user "xmpp:$who@example.org" "$@" --detach-sign >"$out.sig.asc"
}
sign romeo 0102 romeo
sign romeo 0102 romeo-text --textmode
sign juliet 0102 juliet
sign tybalt 20200105 tybalt
sign paris 0102 paris
sign benvolio 0102 benvolio
sign nurse 0102 nurse --digest-algo SHA1

for who in paris benvolio; do
  reason=0
  [[ $who == paris ]] || reason=2
  printf 'y\n%s\n\ny\n' "$reason" |
    gpg --no-tty --quiet --command-fd 0 --pinentry-mode loopback --passphrase '' --faked-system-time 20260201T120000! \
      --armor --gen-revoke "xmpp:$who@example.org" >"$GNUPGHOME/$who.rev" 2>"$GNUPGHOME/log"
  at 0201 --import "$GNUPGHOME/$who.rev"
  at 0201 --armor --export "xmpp:$who@example.org" >"$who.pub.asc"
  rm "$who.sec.asc"
done

encrypt() { # TO OUT OPTIONS: standard input
  local to=$1 out=$2
  shift 2
  at 0102 --armor --recipient "xmpp:$to@example.org" "$@" --encrypt >"$out.asc"
}
printf 'O Romeo, Romeo!' | encrypt juliet body
printf 'O Romeo, Romeo!' | encrypt juliet body-signed --local-user xmpp:romeo@example.org --sign
printf 'O Romeo, Romeo!' | encrypt juliet body-hidden --throw-keyids
printf 'O Romeo, Romeo!' | encrypt nurse body-nurse
head -c 16777216 /dev/zero | encrypt juliet bomb --compress-algo zlib -z 9

printf '%s' "<signcrypt xmlns='urn:xmpp:openpgp:0'><to jid='juliet@example.org'/><time stamp='2026-01-02T13:00:00+01:00'/>" \
  "<rpad>f0rm1l4n4-mT8y33j!Y%fRSrcd^ZE4Q7VDt1L%WEgR!kv</rpad><payload><body xmlns='jabber:client'>" \
  "This is a secret message.</body></payload></signcrypt>" >"$GNUPGHOME/content"
at 0102 --local-user xmpp:romeo@example.org --recipient xmpp:juliet@example.org --sign --encrypt <"$GNUPGHOME/content" |
  base64 -w 76 >ox.b64

at 0102 --export-secret-keys xmpp:romeo@example.org >"$GNUPGHOME/romeo"
at 0102 --symmetric --cipher-algo AES128 --s2k-count 65536 --passphrase TWNK-KD5Y-MT3T-E1GS-DRDB-KVTW <"$GNUPGHOME/romeo" | base64 -w 76 >backup.b64
