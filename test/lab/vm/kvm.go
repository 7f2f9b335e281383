package vm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"usher/test/lab/debian"
)

// processors are what runs the guest.
type processors struct {
	accel   []string // of QEMU
	options string   // for the guest's kernel
}

// The emulator does "rep stosb" and "rep movsb" a byte at a time, which processors
// that boast of them do at once: without these marks the kernel clears and copies
// memory in words, as it does on others. Its time stamp counters go together as the
// host's do, but the kernel does not know that: it would ask the emulated HPET for the
// time, by a system call each time and one processor after the other.
var (
	hardware = processors{accel: []string{"-accel", "kvm", "-cpu", "host"}}
	emulated = processors{accel: []string{"-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm"}, options: "tsc=reliable"}
)

// probeLimit is far beyond what a guest takes to start under KVM, which is under
// a second, and short enough to wait for once.
const probeLimit = 8 * time.Second

// acceleration decides between KVM and emulation. A machine may offer /dev/kvm
// and then hang every guest at its start (nested virtualisation): only a boot
// that came through proves it. The answer is kept for as long as the host is up.
func acceleration(ctx context.Context, o Options, k debian.Kernel) processors {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return emulated
	}
	f.Close()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return emulated
	}
	record := filepath.Join(o.Cache, "kvm")
	key := strings.TrimSpace(string(boot)) + " " + k.Release + " "
	if b, err := os.ReadFile(record); err == nil {
		if answer, ok := strings.CutPrefix(string(b), key); ok {
			if answer == "works" {
				return hardware
			}
			return emulated
		}
	}
	answer, accel := "hangs", emulated
	if probe(ctx, o, k) {
		answer, accel = "works", hardware
	}
	if err := os.WriteFile(record, []byte(key+answer), 0o644); err != nil {
		return emulated
	}
	return accel
}

// probe boots a guest under KVM that does nothing but say that it is alive.
func probe(ctx context.Context, o Options, k debian.Kernel) bool {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	var console bytes.Buffer
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", append(hardware.accel,
		"-smp", "2", "-m", "512", "-kernel", k.Image, "-initrd", filepath.Join(o.Shared, "initramfs"),
		"-append", "console=ttyS0 panic=-1 quiet usher.probe", "-display", "none", "-monitor", "none",
		"-no-reboot", "-nic", "none", "-serial", "stdio")...)
	cmd.Stdout = &console
	err := runBound(cmd)
	return err == nil && strings.Contains(console.String(), "usher-guest-alive")
}
