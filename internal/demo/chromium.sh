#!/bin/sh
# Starts a throw-away Chromium that trusts the demonstration's servers and holds
# its sample cards. Nothing of yours is touched: its home is a temporary folder,
# removed at the end.
set -eu
for tool in certutil pk12util curl; do
	command -v $tool >/dev/null || {
		echo "Il manque $tool (paquets Debian libnss3-tools, curl). / $tool is missing (Debian packages libnss3-tools, curl)." >&2
		exit 1
	}
done
browser=${CHROMIUM:-chromium}
command -v "$browser" >/dev/null || {
	echo "Il manque $browser (paquet Debian chromium). / $browser is missing (Debian package chromium)." >&2
	exit 1
}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
nss="sql:$home/.pki/nssdb"
mkdir -p "$home/.pki/nssdb"
certutil -N --empty-password -d "$nss"
curl -fsS {{.Start}}/root.pem -o "$home/root.pem"
certutil -A -d "$nss" -n cpsgate-demo -t C,, -i "$home/root.pem"
printf %s {{.Password}} >"$home/password"
{{- range .Cards}}
curl -fsS {{$.Start}}/cards/{{.Name}} -o "$home/card.p12"
pk12util -i "$home/card.p12" -d "$nss" -w "$home/password" -K "" >/dev/null
{{- end}}
[ "$(id -u)" != 0 ] || set -- --no-sandbox "$@"
HOME=$home "$browser" --user-data-dir="$home/profile" --no-first-run --no-default-browser-check "$@" {{.Start}}
