package socket

import (
	"errors"
	"log/slog"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// priority is the real-time priority of every thread: above everything of the
// ordinary schedule, far below the kernel's own threads. All have the same one.
// Go's runtime (and the race detector's) waits for short things by yielding the
// processor, which goes to threads of the same priority only: one that waits so
// for a thread below it, on the same processor, waits for ever and lets nothing run.
// A thread that keeps to its processors takes one from an equal that can go elsewhere.
const priority = 50

// realtime gives all threads of this process a real-time schedule and locks the
// process in memory, so that no load on the machine delays an advertisement. What the system does not permit is said once, as a warning.
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

// schedule changes all threads there are; threads that come later inherit it. It
// looks until there are none that an unchanged one has started meanwhile.
func schedule() error {
	for changed := true; changed; {
		changed = false
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			done, err := roundRobin(tid)
			if err != nil {
				return err
			}
			changed = changed || !done
		}
	}
	return nil
}

// roundRobin gives one thread the real-time schedule, and says whether it had it. A
// thread that has ended has it.
func roundRobin(tid int) (had bool, err error) {
	now, err := unix.SchedGetAttr(tid, 0)
	if err == nil {
		if now.Policy == unix.SCHED_RR && now.Priority == priority {
			return true, nil
		}
		err = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: priority}, 0)
	}
	if errors.Is(err, unix.ESRCH) {
		return true, nil
	}
	return false, err
}
