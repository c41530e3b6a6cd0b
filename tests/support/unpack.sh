#!/bin/sh
# unpack.sh FOLDER PROGRAM PACKAGE...: unpack packages of a Debian machine into the folder, without installing anything,
# and see whether the program in its usr/bin or usr/sbin runs. Says so where that is impossible, and goes on.
set -u
name=$(basename "$1") program=$2
mkdir -p "$(dirname "$1")" && cd "$(dirname "$1")" || exit 0
shift 2
rm -rf "$name.new" && mkdir -p "$name.new/packages" || exit 0

get() { (cd "$name.new/packages" && apt-get download "$@") >/dev/null 2>&1; }

if get "$@" || { [ "$(id -u)" = 0 ] && apt-get update >/dev/null 2>&1 && get "$@"; }; then
    for package in "$name.new"/packages/*.deb; do dpkg -x "$package" "$name.new"; done
    rm -rf "$name.new/packages"
    libraries=$(echo "$PWD/$name.new"/usr/lib/*-linux-gnu*)
    place=$name.new/usr/bin/$program
    test -x "$place" || place=$name.new/usr/sbin/$program
    runs() { LD_LIBRARY_PATH=$libraries "$place" "$@" >/dev/null 2>&1; }
    if runs --version || runs -v; then
        mv "$name.new" "$name"
        exit 0
    fi
fi
rm -rf "$name.new"
echo "make: $program is not here, and cannot be unpacked: the tests that need it are skipped"
