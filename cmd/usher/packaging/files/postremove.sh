#!/bin/sh
# After removal: with purge (Debian) the state goes, the configuration stays with
# whoever wrote it.
set -e
if [ "$1" = purge ]; then
	rm -rf /var/lib/usher
fi
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
