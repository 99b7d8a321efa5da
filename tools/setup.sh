#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what the named groups need, by Debian package name, as root or with sudo. Does nothing, at once,
# when everything is there.
set -eu

build="gcc pkg-config meson ninja-build python3 libevent-dev libnghttp2-dev libssl-dev libcurl4-openssl-dev
libzstd-dev liblz4-dev libdeflate-dev libsnappy-dev libxxhash-dev libpcre2-dev libyaml-dev libsqlite3-dev
libcmocka-dev"
test="clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev chromium python3-venv curl zstd brotli openssl"

wanted=""
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    *) echo "setup.sh: there is no group $group" >&2; exit 2 ;;
    esac
done
# A Node.js of one's own is as good as Debian's.
command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
command -v npm >/dev/null 2>&1 || wanted="$wanted npm"

missing=""
for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "setup: please install these packages as root: $missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
