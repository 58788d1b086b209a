#!/usr/bin/env bash
# Fetches apt's package lists where there are none, as on a fresh installation: the images are made
# from Debian packages that apt-get downloads.
set -euo pipefail

if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
    echo "Fetching the lists of Debian packages"
    apt-get update -qq
fi
