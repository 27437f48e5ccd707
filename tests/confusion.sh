#!/bin/sh
# Prints the confusion table of labelled commands under the profile `standard`, each miss first, and
# exits 1 if a bar of the permission engine is missed. Runs none of the commands.
#   sh tests/confusion.sh [FILE.jsonl [LABEL]]    one object a line: label, category, command
cd "$(dirname "$0")/.." || exit 2
[ $# -gt 0 ] || set -- tests/policy/labelled/commands.jsonl
exec cargo run --quiet --locked --example confusion -- "$@"
