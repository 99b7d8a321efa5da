#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh BUILD SECONDS [TARGET]: runs every libFuzzer target over its corpus; new inputs stay in BUILD/corpus.
set -eu
build=$1 seconds=$2 only=${3:-}
failed=0
mkdir -p "$build/findings"
for program in "$build"/*_fuzz; do
    name=$(basename "$program" _fuzz)
    [ -z "$only" ] || [ "$only" = "$name" ] || continue
    mkdir -p "$build/corpus/$name"
    echo "fuzz: $name for $seconds s"
    "$program" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -timeout=10 -verbosity=0 \
        -artifact_prefix="$build/findings/$name-" "$build/corpus/$name" "tests/corpus/$name" || failed=1
done
[ "$failed" = 0 ] || echo "fuzz: findings are in $build/findings" >&2
exit $failed
