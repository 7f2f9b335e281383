#!/bin/busybox sh
# First process of the guest, in the initramfs: busybox and a few modules alone.
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /lower /rw /root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do
	insmod "/modules/$module" || echo "insmod $module failed"
done </modules/order
if grep -q usher.probe /proc/cmdline; then
	echo usher-guest-alive
	poweroff -f
fi
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /lower || poweroff -f
mount -t tmpfs -o mode=0755,size=75% tmpfs /rw
mkdir -p /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /root || poweroff -f
shared=$(sed 's/.*usher.shared=\([^ ]*\).*/\1/' /proc/cmdline)
exec switch_root /root /bin/bash "$shared/guest.sh"
