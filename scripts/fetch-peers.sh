#!/usr/bin/env bash
# Unpacks Debian's containerd and runc below a directory, once. They are not installed, and nothing is started.
# Usage: fetch-peers.sh DIRECTORY
set -euo pipefail

directory=$1
[ -x "$directory/usr/bin/containerd" ] && exit 0
echo "Fetching Debian's containerd and runc"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && apt-get -o APT::Sandbox::User=root -qq download containerd runc)
mkdir -p "$directory"
for package in "$folder"/*.deb; do dpkg-deb -x "$package" "$directory"; done
