#!/bin/sh
# Runs every fuzz target of the tree for the time given (default 20s), one
# after another, and fails at the first that finds something.
set -eu
time=${1:-20s}
found=0
for dir in $(grep -rlE '^func Fuzz' --include='*_test.go' internal cmd | xargs -n1 dirname | sort -u); do
	for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | cut -d' ' -f2 | sort); do
		echo "== $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./$dir"
		found=$((found + 1))
	done
done
[ "$found" -gt 0 ] || { echo "no fuzz target found"; exit 1; }
echo "$found fuzz targets ran for $time each and found nothing"
