#!/bin/sh
# Installs what is missing: each argument is COMMAND:PACKAGE. Uses the system's own package
# manager, as root or through sudo; says what to install by hand where neither works.
set -eu
missing=""
for pair in "$@"; do
  command=${pair%%:*}
  package=${pair#*:}
  command -v "$command" >/dev/null 2>&1 || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
as_root=""
[ "$(id -u)" -eq 0 ] || as_root=sudo
if command -v apt-get >/dev/null 2>&1; then
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $missing
elif command -v dnf >/dev/null 2>&1; then
  $as_root dnf install -y $missing
elif command -v pacman >/dev/null 2>&1; then
  $as_root pacman -S --noconfirm $missing
elif command -v apk >/dev/null 2>&1; then
  $as_root apk add $missing
else
  echo "please install by hand:$missing" >&2
  exit 1
fi
