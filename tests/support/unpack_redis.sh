#!/bin/sh
# Unpack redis-server from the packages of a Debian machine into the folder $1, without installing anything.
# The package of the tools is enough: it holds the server's program. Says so where that is impossible, and goes on.
set -u
packages="redis-tools libjemalloc2 liblzf1 libatomic1"
name=$(basename "$1")
mkdir -p "$(dirname "$1")" && cd "$(dirname "$1")" || exit 0
rm -rf "$name.new" && mkdir -p "$name.new/packages" || exit 0

get() { (cd "$name.new/packages" && apt-get download $packages) >/dev/null 2>&1; }

if get || { [ "$(id -u)" = 0 ] && apt-get update >/dev/null 2>&1 && get; }; then
    for package in "$name.new"/packages/*.deb; do dpkg -x "$package" "$name.new"; done
    rm -rf "$name.new/packages"
    libraries=$(echo "$PWD/$name.new"/usr/lib/*-linux-gnu*)
    if LD_LIBRARY_PATH=$libraries "$name.new/usr/bin/redis-check-rdb" --version >/dev/null 2>&1; then
        mv "$name.new" "$name"
        exit 0
    fi
fi
rm -rf "$name.new"
echo "make: no redis-server here, and none can be unpacked: the tests that need one are skipped"
