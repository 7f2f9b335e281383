# First process of the guest once the host's file system is there. The two
# variables shared and modules, and the limit, are set above this text.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/lock
mount -t 9p -o rw,trans=virtio,version=9p2000.L,msize=512000 shared "$shared"
# The kernel loads modules by itself from here, as on any machine.
mkdir -p /lib/modules
mount --bind "$modules" /lib/modules
hostname usher-lab
ip link set lo up
ulimit -n 65536
modprobe ip_vs

# The payload's output goes through a pipe: what it starts may open /dev/stdout,
# which a port that only one may open would refuse.
port=$(ls /dev/vport*p1)
mkfifo /run/usher-output
cat /run/usher-output >"$port" &
reader=$!
# A limit of its own, for the case that nobody outside is left to end the machine.
(sleep "$limit" && echo "time limit of $limit s" && busybox poweroff -f) &

bash "$shared/payload.sh" </dev/null >/run/usher-output 2>&1
status=$?

# What the payload left running may hold the pipe open: do not wait for it long.
for ((i = 0; i < 20; i++)); do
	kill -0 "$reader" 2>/dev/null || break
	sleep 0.1
done
echo "$status" >"$shared/exit"
sync
busybox poweroff -f
