#!/bin/sh
# Brings the two base images that the Dockerfiles begin with: from a registry
# where there is one, else as stand-ins under the same names, made of Debian's
# packages and this machine's Go toolchain. Images that are there are left alone.
#
# A stand-in trusts the authorities that this machine trusts, and asks the
# module proxy that this machine asks: what builds here builds in it.
set -eu

debian=debian:bookworm-slim
golang=golang:1.26-bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
authorities=/etc/ssl/certs/ca-certificates.crt

present() { docker image inspect "$1" >/dev/null 2>&1; }
pulled() { timeout 120 docker pull -q "$1" >/dev/null 2>&1; }

as_root=""
[ "$(id -u)" = 0 ] || as_root=sudo

# debian_stand_in is what debootstrap calls a minimal system.
debian_stand_in() {
	if ! command -v debootstrap >/dev/null; then
		$as_root apt-get update -qq
		$as_root apt-get install -y -qq --no-install-recommends debootstrap </dev/null >/dev/null
	fi
	folder=$(mktemp -d)
	trap '$as_root rm -rf "$folder"' EXIT
	$as_root debootstrap --variant=minbase bookworm "$folder/root" "$mirror" >"$folder/log" 2>&1 || {
		tail -20 "$folder/log" >&2
		return 1
	}
	$as_root rm -rf "$folder"/root/var/cache/apt/archives/*.deb "$folder"/root/var/lib/apt/lists/* \
		"$folder"/root/usr/share/doc "$folder"/root/usr/share/man
	$as_root tar -C "$folder/root" -c . | docker import --change 'CMD ["bash"]' - "$debian" >/dev/null
	$as_root rm -rf "$folder"
	trap - EXIT
}

# golang_stand_in is the other with a C compiler and this machine's Go.
golang_stand_in() {
	root=$(go env GOROOT)
	case $(go env GOVERSION) in go1.26*) ;; *)
		echo "a stand-in for $golang needs Go 1.26 here, not $(go env GOVERSION)" >&2
		return 1 ;;
	esac
	made=$(docker create "$debian" sh -c 'apt-get update -qq &&
		apt-get install -y -qq --no-install-recommends gcc libc6-dev git pkg-config ca-certificates >/dev/null 2>&1 &&
		apt-get clean && rm -rf /var/lib/apt/lists/*')
	trap 'docker rm -f "$made" >/dev/null' EXIT
	docker start -a "$made" >/dev/null
	tar -C "$root" -ch --transform 's,^\.,usr/local/go,' . | docker cp - "$made:/"
	[ ! -r $authorities ] || docker cp -L $authorities "$made:$authorities"
	docker commit \
		--change 'ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		--change 'ENV GOPATH=/go' --change 'ENV GOTOOLCHAIN=local' --change "ENV GOPROXY=$(go env GOPROXY)" \
		--change 'WORKDIR /go' --change 'CMD ["bash"]' "$made" "$golang" >/dev/null
	docker rm -f "$made" >/dev/null
	trap - EXIT
}

for image in $debian $golang; do
	present "$image" || pulled "$image" || {
		echo "no registry has $image for us: making a stand-in"
		case $image in
		"$debian") debian_stand_in ;;
		"$golang") golang_stand_in ;;
		esac
	}
done
