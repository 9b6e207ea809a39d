#!/bin/sh
# Runs the given govulncheck command. A vulnerability fails; a vulnerability
# database that cannot be reached is said, and does not.
set -u
out=$("$@" ./... 2>&1)
code=$?
[ $code -eq 0 ] && { echo "$out"; exit 0; }
case "$out" in
*"fetching vulnerabilities"*) echo "vulnerabilities: NOT CHECKED, their database cannot be reached from this machine" ;;
*) echo "$out"; exit $code ;;
esac
