#!/bin/sh
# Checks for known vulnerabilities, also in what a feature brings, where the advisory database can be fetched. Being offline is
# said aloud and is not a failure; an advisory that applies is.
set -u
output=$("$1" --locked --features birdcage check advisories 2>&1)
status=$?
if [ "$status" -eq 0 ]; then
  echo "advisories: ok"
elif printf '%s' "$output" | grep -qiE 'failed to (fetch|clone|acquire)|unable to (fetch|clone)|could not resolve|network|failed to load advisory database|unable to obtain'; then
  echo "advisories: NOT CHECKED, the database cannot be reached from here"
else
  printf '%s\n' "$output"
  exit "$status"
fi
