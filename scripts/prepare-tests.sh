#!/bin/sh
# Installs what the tests use beside Go, when it may (Debian, root), and says
# in one line what is missing otherwise: tests that need it skip with that reason.
set -eu

missing=
want() { # want PACKAGE CHECK...
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}
want gcc gcc --version                             # the race detector
want strace strace -V                              # the durability test
want awscli aws --version                          # client scripts
want python3 python3 --version                     # the independent format reader
want python3-cryptography python3 -c 'import cryptography'
want python3-boto3 python3 -c 'import boto3'

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing:$missing"
	# shellcheck disable=SC2086
	if apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
		exit 0
	fi
fi
echo "not installed, so the tests that need them are skipped:$missing"
