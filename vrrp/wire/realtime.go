package wire

import (
	"errors"
	"log/slog"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Real-time priorities: above everything of the ordinary schedule, far below the
// kernel's own threads. The loop goes before the rest of its process, which
// holds and announces addresses and has to be quick as well.
const (
	loopPriority    = 51
	processPriority = 50
)

// realtime gives all threads of this process a real-time schedule and locks the process in memory, so that no load on the machine delays
// an advertisement. What the system does not permit is said once, as a warning.
func realtime(log *slog.Logger) {
	if err := schedule(); err != nil {
		log.Warn("no real-time schedule: under load adverts can be late and a peer can take over", "error", err,
			"mend", "run as root or give CAP_SYS_NICE (systemd: LimitRTPRIO=99)")
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		log.Warn("memory is not locked: swapping can delay adverts", "error", err,
			"mend", "run as root or give CAP_IPC_LOCK (systemd: LimitMEMLOCK=infinity)")
	}
}

// schedule changes all threads there are; threads that come later inherit it.
func schedule() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var all []error
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := roundRobin(tid, processPriority); err != nil && !errors.Is(err, unix.ESRCH) {
			all = append(all, err)
		}
	}
	return first(all)
}

// roundRobin gives one thread a real-time schedule; 0 is the calling one.
func roundRobin(tid int, priority uint32) error {
	return unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: priority}, 0)
}

// first gives the first error: all threads fail for the same reason.
func first(all []error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
