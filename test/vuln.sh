#!/bin/sh
# Runs the given govulncheck command. A vulnerability fails; a vulnerability
# database that cannot be reached is said and does not.
set -u
out=$("$@" ./... 2>&1)
code=$?
echo "$out"
[ $code -eq 0 ] && exit 0
case "$out" in
*"Vulnerability #"*) exit 1 ;;
*"fetching vulnerabilities"* | *"dial tcp"* | *"no such host"* | *"vuln.go.dev"*)
	echo "vulnerabilities: NOT CHECKED, the database cannot be reached from this machine" ;;
*) exit $code ;;
esac
