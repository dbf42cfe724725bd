#!/bin/sh
# Runs the tests of clienttests, a module of its own. A client whose modules
# cannot be had is skipped, with the reason in one line.
set -eu
cd "$(dirname "$0")/../clienttests"

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
found=
for dir in */; do
	client=./${dir%/}
	if timeout 600 go list -deps -test "$client" >/dev/null 2>"$errors"; then
		found="$found $client"
	elif [ $? != 124 ] && ! grep -qE 'https?://|dial tcp|lookup ' "$errors"; then
		cat "$errors" # not a download: a mistake of ours
		exit 1
	else
		reason=$(grep -v '^go: downloading' "$errors" | tail -n 1)
		echo "skipped: the client $client: ${reason:-gave up waiting for its modules}"
	fi
done
[ -n "$found" ] || exit 0
# shellcheck disable=SC2086
go vet $found
# shellcheck disable=SC2086
go test -count=1 -timeout 20m $found
