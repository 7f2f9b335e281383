# The first process of a machine that systemd runs, in new process and mount
# namespaces: it makes the root and becomes systemd. $0 is the node's folder.
set -e
dir=$0
mount -t tmpfs -o mode=0755 tmpfs "$dir/root"
cd "$dir/root"
mkdir upper work new
mount -t overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" overlay new

# A cgroup tree of its own, below the machine's.
cgroups=$(mktemp -d)
mount -t cgroup2 cgroup2 "$cgroups"
# Those of machines that are long gone: the kernel keeps them.
for old in $(find "$cgroups" -maxdepth 1 -name 'usher-lab-*' -mmin +10); do
	! grep -q 'populated 0' "$old/cgroup.events" || find "$old" -depth -type d -exec rmdir {} + || true
done
group=$cgroups/usher-lab-$$-$RANDOM
mkdir "$group"
echo $$ >"$group/cgroup.procs"
umount "$cgroups"
rmdir "$cgroups"

cd new
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
unshare --cgroup mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --bind "$dir/run" run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=0755 tmpfs dev
for node in null zero full random urandom tty; do
	: >dev/$node
	mount --bind /dev/$node dev/$node
done
ln -s /proc/self/fd dev/fd
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm

# Nothing of what this machine has enabled, and nothing of a machine's boot that a
# service does not need.
mount -t tmpfs -o mode=0755 tmpfs etc/systemd/system
for unit in systemd-sysctl systemd-random-seed systemd-update-utmp systemd-machine-id-commit systemd-remount-fs systemd-tmpfiles-clean \
	systemd-networkd systemd-resolved systemd-timesyncd systemd-logind systemd-udevd systemd-udev-trigger; do
	ln -s /dev/null etc/systemd/system/$unit.service
done
for unit in dbus.socket sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
	dev-hugepages.mount dev-mqueue.mount proc-sys-fs-binfmt_misc.automount; do
	ln -s /dev/null etc/systemd/system/$unit
done
rm -rf var/log/journal
: >etc/fstab
rm -f etc/machine-id
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id

mkdir -p mnt
pivot_root . mnt
umount -l /mnt
exec unshare --cgroup env -i container=usher-lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=basic.target
