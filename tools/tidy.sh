#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tidy.sh BUILD: clang-tidy over the sources, and the formatting.
set -eu
[ -f "$1/compile_commands.json" ] || meson setup "$1" -Db_sanitize=address,undefined >/dev/null
git ls-files 'src/*.c' | grep -v _fuzz.c | xargs -P "$(nproc)" -n 4 clang-tidy-14 -p "$1" --quiet 2>/dev/null
git ls-files 'src/*.c' 'src/*.h' | xargs clang-format-14 --dry-run -Werror
