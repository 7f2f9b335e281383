#!/bin/sh
# Before removal, on Debian ($1: remove or upgrade) and RPM ($1: how many versions
# stay). An upgrade leaves the daemon running: postinstall restarts it.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
[ -d /run/systemd/system ] || exit 0
systemctl disable --now usher.service
