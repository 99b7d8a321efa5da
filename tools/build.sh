#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh DIRECTORY [MESON_OPTION…]: configures once, then builds; prints only what went wrong.
set -eu
directory=$1
shift
[ -f "$directory/build.ninja" ] || meson setup "$directory" "$@" >"$directory.log" 2>&1 || {
    cat "$directory.log" >&2
    exit 1
}
rm -f "$directory.log"
exec ninja -C "$directory" --quiet
