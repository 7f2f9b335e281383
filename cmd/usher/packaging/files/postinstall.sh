#!/bin/sh
# After installation and upgrade, on Debian ($1: configure, $2: old version) and RPM
# ($1: how many versions are installed).
set -e
upgrade=
case "$1" in
configure) [ -z "$2" ] || upgrade=yes ;;
[2-9]*) upgrade=yes ;;
esac

getent group usher >/dev/null || groupadd --system usher

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if [ -n "$upgrade" ] && systemctl is-active --quiet usher.service; then
	# The old version stops and leaves IPVS as it is; systemd starts the new one,
	# which adopts it: no connection is lost.
	systemctl kill --kill-who=main --signal=SIGUSR1 usher.service
fi
