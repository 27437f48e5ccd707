#!/bin/sh
# Licences, bans and sources of both kinds of binary. The default one must be fit for the MIT licence;
# the one with the feature `birdcage` may hold that one crate under the GPL, and nothing else.
# A check that has never failed proves nothing: the default one must refuse what the feature brings.
set -eu
deny=$1
"$deny" --locked check licenses bans sources

# The tree itself, without asking the same program again.
if "${CARGO:-cargo}" tree --locked --edges all --prefix none | grep -q '^birdcage '; then
  echo "the default binary would contain birdcage" >&2
  exit 1
fi

if "$deny" --locked --features birdcage check licenses >/dev/null 2>&1 ||
  "$deny" --locked --features birdcage check bans >/dev/null 2>&1; then
  echo "deny.toml lets the GPL through" >&2
  exit 1
fi

with=$(mktemp)
trap 'rm -f "$with"' EXIT
sed -e '/crate = "birdcage", reason/d' \
  -e 's/^exceptions = \[\]$/exceptions = [{ crate = "birdcage", allow = ["GPL-3.0-or-later"] }]/' \
  deny.toml >"$with"
"$deny" --locked --features birdcage --config "$with" check licenses bans sources
echo "licences: MIT-compatible by default; with the feature birdcage that crate alone is under the GPL"
