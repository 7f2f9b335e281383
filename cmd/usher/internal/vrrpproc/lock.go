package vrrpproc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"usher/vrrp/statefile"
)

// lockName is the file in the state folder whose lock all processes of one daemon hold
// that advertise, or hold or remove addresses.
const lockName = "vrrp.lock"

// Bounds of how long the processes of an earlier daemon may live on before they are
// killed, and how often one looks.
const (
	orphansMost = 5 * time.Second
	lockLook    = 5 * time.Millisecond
)

// Lock keeps the VRRP processes of two daemons apart that follow each other. It is one
// open file, which the parent hands on to each child and guard: the kernel lets go of it
// with the last of them, however they end. So the next daemon has no child while one of
// this daemon still advertises or a guard has addresses to remove.
type Lock struct{ file *os.File }

// Acquire takes the lock of a state folder. It waits while processes of an earlier daemon
// have it, and kills those once they have had their time to resign: their parent is dead,
// for this process has the state folder to itself.
func Acquire(ctx context.Context, state string, log *slog.Logger) (*Lock, error) {
	return acquire(ctx, state, log, orphansMost)
}

func acquire(ctx context.Context, state string, log *slog.Logger, most time.Duration) (*Lock, error) {
	path := filepath.Join(state, lockName)
	f, err := statefile.OpenLock(path)
	if err != nil {
		return nil, fmt.Errorf("vrrp: lock of the VRRP processes: %w", err)
	}
	start := time.Now()
	var told, killed bool
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		waited := time.Since(start)
		switch {
		case err == nil:
			if told {
				log.Info("vrrp: the processes of the daemon before this one are gone", "waited", waited)
			}
			return &Lock{f}, nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil, errors.Join(fmt.Errorf("vrrp: lock %s: %w", path, err), f.Close())
		case !told:
			told = true
			log.Warn("vrrp: processes of a daemon before this one still run: the VRRP process waits for their end", "pids", holders(f), "at_most", most)
		case !killed && waited > most:
			killed = true
			all := holders(f)
			log.Error("vrrp: processes of a daemon before this one do not end and are killed; while one is left, nothing is advertised here", "pids", all)
			for _, pid := range all {
				_ = unix.Kill(pid, unix.SIGKILL) // one that is gone by now is what is wanted
			}
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(lockLook): // the kernel tells nobody of a lock's end who can also give up
		}
	}
}

// Close gives the lock up, as far as it is this process's.
func (l *Lock) Close() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}

// hand gives a process that is to be started the lock after the files that it is given.
func (l *Lock) hand(files ...*os.File) []*os.File {
	if l == nil {
		return files
	}
	return append(files, l.file)
}

// holders are the VRRP processes and guards other than this process that have a file open.
func holders(f *os.File) (pids []int) {
	var want unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &want); err != nil {
		return nil
	}
	found, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is sound
	for _, path := range found {
		parts := strings.Split(path, "/")
		pid, err := strconv.Atoi(parts[2])
		if err != nil || pid == os.Getpid() || slices.Contains(pids, pid) {
			continue
		}
		if link, err := os.Readlink(path); err != nil || !strings.HasSuffix(link, "/"+lockName) {
			continue
		}
		var have unix.Stat_t
		if unix.Stat(path, &have) != nil || have.Dev != want.Dev || have.Ino != want.Ino {
			continue
		}
		// Somebody may look at the file; the name is what child and guard give themselves.
		name, err := os.ReadFile(filepath.Join("/proc", parts[2], "comm"))
		if err == nil && (string(name) == childName+"\n" || string(name) == guardName+"\n") {
			pids = append(pids, pid)
		}
	}
	return pids
}
