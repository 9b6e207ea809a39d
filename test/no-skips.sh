#!/bin/sh
# Fails when a test of the run recorded in the given JSON file was skipped.
set -eu
skipped=$(grep '"Action":"skip"' "$1" | grep '"Test":' || true)
[ -z "$skipped" ] && exit 0
echo "skipped tests, which make test must not have:" >&2
echo "$skipped" | sed -E 's/.*"Package":"([^"]*)","Test":"([^"]*)".*/  \1 \2/' >&2
exit 1
