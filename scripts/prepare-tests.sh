#!/bin/sh
# Installs what the tests use beside Go, when it may (Debian, root), and says
# in one line what is missing otherwise: tests that need it skip with that reason.
# With the argument "clients" it also gets what only `make test-clients` uses;
# what is no package of the system goes into bin/clients.
set -eu
cd "$(dirname "$0")/.."

missing=
want() { # want PACKAGE CHECK...
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}

system() {
	want gcc gcc --version                             # the race detector
	want strace strace -V                              # the durability test
	want awscli aws --version                          # client scripts
	want python3 python3 --version                     # the independent format reader
	want python3-cryptography python3 -c 'import cryptography'
	want python3-boto3 python3 -c 'import boto3'
	[ "${1-}" = clients ] || return 0
	want ansible /usr/bin/python3 -c 'import ansible, ansible_collections.amazon.aws' # its module kms_key ...
	want python3-boto3 /usr/bin/python3 -c 'import boto3' # ... which runs under Debian's Python
	want nodejs node --version                         # AWS's SDK for JavaScript
	want npm npm --version
}

sops=v3.13.3

# have_sops asks the binary, not the network.
have_sops() {
	[ -x bin/clients/sops ] && go version -m bin/clients/sops 2>/dev/null | grep -q "github.com/getsops/sops/v3.$sops\\b"
}
# get_sops builds SOPS with the dependencies that it has chosen itself, as its
# users do, hence without our FIPS module.
get_sops() {
	have_sops || (unset GOFIPS140; GOBIN=$PWD/bin/clients timeout 900 go install "github.com/getsops/sops/v3/cmd/sops@$sops")
}

# get_node_sdk installs the exact version of package.json, in a directory that
# counts only when it is whole. No script of a package runs.
get_node_sdk() {
	package=cmd/strongroom/testdata/clients/node/package.json
	! cmp -s $package bin/clients/package.json || return 0
	rm -rf bin/clients/npm bin/clients/package.json bin/clients/node_modules &&
		mkdir bin/clients/npm && cp $package bin/clients/npm/ &&
		timeout 300 npm install --fetch-timeout 60000 --prefix bin/clients/npm --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel error &&
		mv bin/clients/npm/node_modules bin/clients/ && mv bin/clients/npm/package.json bin/clients/ && rm -rf bin/clients/npm
}

# get NAME FUNCTION runs it, or says in one line why there is no NAME.
get() {
	log=$(mktemp)
	status=0
	"$2" >"$log" 2>&1 || status=$?
	case $status in
	0) reason= ;;
	124) reason="gave up waiting" ;;
	*) reason=$(grep -E -m 1 'reason:|npm (ERR!|error) [45][0-9][0-9]' "$log" || grep -v downloading "$log" | tail -n 1) ;;
	esac
	[ -z "$reason" ] || echo "not installed, so the tests that need it are skipped: $1: $reason"
	rm -f "$log"
}

install() {
	DEBIAN_FRONTEND=noninteractive timeout 900 apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

system "${1-}"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing:$missing"
	# shellcheck disable=SC2086
	if ! timeout 300 apt-get update -qq >/dev/null || ! install $missing; then
		for package in $missing; do # one that cannot be had does not keep the others out
			install "$package" 2>/dev/null || :
		done
	fi
	missing=
	system "${1-}"
fi
[ -z "$missing" ] || echo "not installed, so the tests that need them are skipped:$missing"

if [ "${1-}" = clients ]; then
	mkdir -p bin/clients
	get "SOPS $sops" get_sops
	get "AWS's SDK for JavaScript" get_node_sdk
fi
