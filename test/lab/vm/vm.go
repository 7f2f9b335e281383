package vm

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"usher/test/lab/debian"
)

//go:embed guest.sh
var guestScript string

// Options say what to run and how.
type Options struct {
	Cache   string        // folder of downloads, kept
	Shared  string        // folder that host and guest share, at the same path in both; made, must be empty or new, kept
	Command []string      // program and arguments
	Dir     string        // where it runs
	Env     []string      // KEY=VALUE, in addition to the guest's own
	Limit   time.Duration // of the whole run; 10 minutes where 0
	Memory  int           // MB; 2048 where 0
	CPUs    int           // 2 where 0
	Output  io.Writer     // the command's output, as it comes
	Log     io.Writer     // what this package does
}

func (o *Options) defaults() {
	if o.Limit == 0 {
		o.Limit = 10 * time.Minute
	}
	if o.Memory == 0 {
		o.Memory = 2048
	}
	if o.CPUs == 0 {
		o.CPUs = 2
	}
}

// Run boots, runs the command and returns its exit status. An error means that the
// command did not run or that its status is unknown.
func Run(ctx context.Context, o Options) (int, error) {
	o.defaults()
	if err := debian.Ensure(ctx, o.Log, append(debian.Lab(), debian.Virtual()...)); err != nil {
		return 0, err
	}
	k, err := debian.FetchKernel(ctx, o.Log, o.Cache)
	if err != nil {
		return 0, err
	}
	if err := debian.Ensure(ctx, o.Log, k.Tools()); err != nil {
		return 0, err
	}
	if err := claim(o.Shared); err != nil {
		return 0, err
	}
	if err := prepare(o, k); err != nil {
		return 0, err
	}
	cpus := acceleration(ctx, o, k)
	fmt.Fprintf(o.Log, "booting Linux %s in QEMU (%s)\n", k.Release, cpus.accel[1])

	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	kernelArgs := "console=ttyS0 panic=-1 quiet loglevel=3 " + cpus.options + " usher.shared=" + o.Shared
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", append(cpus.accel,
		"-smp", strconv.Itoa(o.CPUs), "-m", strconv.Itoa(o.Memory),
		"-kernel", k.Image, "-initrd", filepath.Join(o.Shared, "initramfs"), "-append", kernelArgs,
		"-display", "none", "-monitor", "none", "-no-reboot", "-nic", "none",
		"-serial", "file:"+filepath.Join(o.Shared, "console.log"),
		"-device", "virtio-rng-pci",
		"-device", "virtio-serial", "-chardev", "stdio,id=output,signal=off", "-device", "virtserialport,chardev=output,name=usher.output",
		"-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
		"-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
		"-fsdev", "local,id=shared,security_model=none,path="+o.Shared,
		"-device", "virtio-9p-pci,fsdev=shared,mount_tag=shared")...)
	cmd.Stdout = o.Output
	// The guest's port is connected only while this end is open for reading too.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	defer stdin.Close()
	var complaints strings.Builder
	cmd.Stderr = &complaints
	err = runBound(cmd)
	if ctxErr := context.Cause(ctx); ctxErr != nil {
		if errors.Is(ctxErr, context.DeadlineExceeded) {
			return 0, fmt.Errorf("the virtual machine did not end within %s; its console is in %s", o.Limit, filepath.Join(o.Shared, "console.log"))
		}
		return 0, ctxErr
	}
	if err != nil {
		return 0, fmt.Errorf("qemu: %w\n%s", err, complaints.String())
	}
	status, err := os.ReadFile(filepath.Join(o.Shared, "exit"))
	if err != nil {
		console, _ := os.ReadFile(filepath.Join(o.Shared, "console.log"))
		return 0, fmt.Errorf("the guest ended before its command did; its console:\n%s", console)
	}
	return strconv.Atoi(strings.TrimSpace(string(status)))
}

// Tidy removes from the shared folder what Run itself put there, and the folder
// if nothing else is in it. It says whether the folder remains.
func Tidy(shared string) bool {
	for _, f := range []string{"claim", "console.log", "exit", "guest.sh", "initramfs", "payload.sh"} {
		os.Remove(filepath.Join(shared, f))
	}
	return os.Remove(shared) != nil
}

// claim makes the shared folder ours: two machines must not write one folder.
func claim(shared string) error {
	if !filepath.IsAbs(shared) || strings.ContainsAny(shared, " ,\n") {
		return fmt.Errorf("shared folder %q: must be an absolute path without blank or comma", shared)
	}
	if err := os.MkdirAll(shared, 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(shared, "claim"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("shared folder is used by another virtual machine: %w", err)
	}
	fmt.Fprintln(f, os.Getpid())
	return f.Close()
}

// prepare writes what the guest reads.
func prepare(o Options, k debian.Kernel) error {
	image, err := initramfs(k)
	if err != nil {
		return err
	}
	guest := fmt.Sprintf("shared=%s\nmodules=%s\nlimit=%d\n%s",
		quote(o.Shared), quote(filepath.Join(k.Root, "lib/modules")), int(o.Limit.Seconds()), guestScript)
	var payload strings.Builder
	fmt.Fprintf(&payload, "cd %s || exit 126\n", quote(o.Dir))
	for _, kv := range o.Env {
		fmt.Fprintf(&payload, "export %s\n", quote(kv))
	}
	payload.WriteString("exec")
	for _, arg := range o.Command {
		payload.WriteString(" " + quote(arg))
	}
	payload.WriteString("\n")
	for name, content := range map[string]string{"initramfs": string(image), "guest.sh": guest, "payload.sh": payload.String()} {
		if err := os.WriteFile(filepath.Join(o.Shared, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// quote makes one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// runBound runs a command that the kernel kills when this process dies. That
// signal follows the thread that started it, hence the lock.
func runBound(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		done <- cmd.Run()
	}()
	return <-done
}
