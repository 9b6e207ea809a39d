#!/bin/sh
# Installs the Debian packages that the tests need, or the demo alone
# (packages.sh demo), and that are missing.
# Without apt-get, or without the rights to install, it names them and stops.
set -eu

demo="
gcc libc6-dev pkg-config
chromium libnss3-tools
pcscd vsmartcard-vpcd softhsm2 opensc libpcsclite-dev libfido2-dev
"
tests="
git curl openssl nginx libnginx-mod-stream apache2-bin libapache2-mod-auth-openidc redis-server redis-sentinel redis-tools libfaketime
xvfb xauth xdotool
fido2-tools python3-fido2 python3-pyscard
"
case "${1:-tests}" in
demo) packages=$demo ;;
tests) packages="$demo $tests" ;;
*) echo "packages.sh [demo|tests]" >&2; exit 2 ;;
esac

missing=""
for p in $packages; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "these Debian packages, or their equivalents, are needed:$missing" >&2
	exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"

echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive

# A service that a package brings must not start here: the tests run their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
	$sudo chmod 755 $policy
	trap '$sudo rm -f $policy' EXIT
fi
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null
