#!/bin/sh
# Starts a throw-away Chromium that trusts the demo's server and holds its
# cards. Nothing of yours is touched: its home is {{.Folder}}/browser.
set -eu
for tool in certutil pk12util; do
	command -v $tool >/dev/null || {
		echo "Il manque $tool (paquet Debian libnss3-tools). / $tool is missing (Debian package libnss3-tools)." >&2
		exit 1
	}
done
browser=${CHROMIUM:-chromium}
command -v "$browser" >/dev/null || {
	echo "Il manque $browser (paquet Debian chromium). / $browser is missing (Debian package chromium)." >&2
	exit 1
}
home={{quote .Folder}}/browser
nss="sql:$home/.pki/nssdb"
if [ ! -d "$home" ]; then
	mkdir -p -m 700 "$home/.pki/nssdb"
	certutil -N --empty-password -d "$nss"
	certutil -A -d "$nss" -n demo-server -t C,, -i {{quote .Root}}
{{- range .Cards}}
	printf %s {{quote .Password}} >"$home/password"
	pk12util -i {{quote .File}} -d "$nss" -w "$home/password" -K "" >/dev/null
{{- end}}
fi
station={{quote .Folder}}/workstation/environment
if [ -f "$station" ]; then # a contact card too: the browser asks for its PIN
	. "$station"
	command -v modutil >/dev/null && { modutil -dbdir "$nss" -list "Carte CPS4" >/dev/null 2>&1 ||
		modutil -force -dbdir "$nss" -add "Carte CPS4" -libfile "$CARDSIDE_MODULE" -mechanisms FRIENDLY >/dev/null; }
elif [ ! -f "$home/contact" ]; then # its certificate alone
	: >"$home/contact"
	pk12util -i {{quote .ContactCard.File}} -d "$nss" -w "$home/password" -K "" >/dev/null
fi
[ "$(id -u)" != 0 ] || set -- --no-sandbox "$@"
HOME=$home exec "$browser" --user-data-dir="$home/profile" --no-first-run --no-default-browser-check "$@" {{quote .Main}}
