package command

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// limits are those of a plain user. The soft limit of descriptors is the customary one,
// which programs that use select(2) depend on.
func limits() map[int]unix.Rlimit {
	return map[int]unix.Rlimit{
		unix.RLIMIT_RTPRIO:  {},
		unix.RLIMIT_NICE:    {},
		unix.RLIMIT_MEMLOCK: {Cur: 8 << 20, Max: 8 << 20}, // the kernel's default since 5.16
		unix.RLIMIT_NOFILE:  {Cur: 1024, Max: 524288},
	}
}

// lowered is what a limit becomes: what is lower already was meant so.
func lowered(resource int, now unix.Rlimit) unix.Rlimit {
	plain := limits()[resource]
	return unix.Rlimit{Cur: min(now.Cur, plain.Cur), Max: min(now.Max, plain.Max)}
}

// becomePlain gives the calling process, and the calling thread, what a plain user's
// processes have. It is to be followed by an exec, after which there is no other thread.
func becomePlain() error {
	var errs []error
	failed := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	for resource := range limits() {
		var now unix.Rlimit
		err := unix.Getrlimit(resource, &now)
		if err == nil {
			plain := lowered(resource, now)
			err = unix.Setrlimit(resource, &plain)
		}
		failed(fmt.Sprintf("limit %d", resource), err)
	}
	failed("schedule", unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0))
	if nice, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && nice > 20 { // 20 is nice 0, 40 is nice -20
		failed("nice", unix.Setpriority(unix.PRIO_PROCESS, 0, 0))
	}
	if text, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil && text[0] == '-' {
		failed("OOM score", os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0))
	}
	unix.Umask(0o022)
	failed("working directory", unix.Chdir("/"))
	return errors.Join(errs...)
}

// closeOnExec marks all descriptors from a number on. usher marks its own; one that it was
// started with itself, by a shell or a service manager, is not.
func closeOnExec(from int) error {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, f := range list {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd >= from {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// dropCapabilities takes from the calling thread what a program would inherit from it
// without being root: the ambient and the inheritable set.
func dropCapabilities() error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("inheritable capabilities: %w", err)
	}
	return nil
}
