package track

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/statefile"
)

// fault is the number from which a file's say is a fault, whatever the base
// priority is: it would take every priority below 1.
const fault = -254

// fileAdjustment is what a file's number means to a track of it: number times
// weight added to the priority, and a fault from -254 on; with weight 0 every
// number but 0 is a fault. Reverse turns the sign, and with weight 0 makes 0 the fault.
func fileAdjustment(tr vrrp.Track, r result) vrrp.Adjustment {
	a := vrrp.Adjustment{Reason: r.reason}
	if tr.Weight == 0 {
		a.Fault = (r.value != 0) != tr.Reverse
		return a
	}
	weight := tr.Weight
	if tr.Reverse {
		weight = -weight
	}
	sum := max(fault, min(-fault, int64(r.value)*int64(weight)))
	a.Weight, a.Fault = int(sum), sum <= fault
	return a
}

// readNumber reads the number in a file. A file that is not there, or is empty,
// is 0, as in keepalived.
func readNumber(path string) (n int, empty bool, err error) {
	b, err := statefile.Read(path, numberMost)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	text, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, true, nil
	}
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, false, fmt.Errorf("not a number: %q", text)
	}
	return int(number), false, nil
}

// writing is how long a file with a number may be empty before it counts as empty: who
// writes it anew empties it first.
const writing = 200 * time.Millisecond

// file watches the number in a file. What is not a number is told and leaves the
// last one in place: half a write must not move a VIP.
func (t *Tracker) file(path string) watch {
	return func(ctx context.Context, last *result, publish func(result)) {
		var emptied time.Time
		look := func() (again time.Duration) {
			n, empty, err := readNumber(path)
			if empty && last != nil && last.value != 0 {
				if emptied.IsZero() {
					emptied = time.Now()
				}
				if left := t.writing - time.Since(emptied); left > 0 {
					return left
				}
			}
			emptied = time.Time{}
			if err != nil {
				t.o.Log.Warn("vrrp: tracked file cannot be read; its last number holds", "file", path, "error", err)
				if last != nil {
					return 0
				}
			}
			if last != nil && last.value == n {
				return 0
			}
			last = &result{value: n, up: n == 0, reason: fmt.Sprintf("file %s: %d", path, n)}
			publish(*last)
			return 0
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if err := watchFile(ctx, path, look); err != nil {
				t.o.Log.Error("vrrp: cannot watch a tracked file", "file", path, "error", err)
				look()
			}
		}()
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		// A file system that does not answer keeps its goroutine, but nobody who stops.
		leave := time.NewTimer(leaveAfter)
		defer leave.Stop()
		select {
		case <-ended:
		case <-leave.C:
		}
	}
}

// leaveAfter is how long the watching of a file may take to end.
const leaveAfter = time.Second

// numberMost is how many bytes a file with a number may have.
const numberMost = 64 << 10

// watchFile calls look at once and after every change of a file, until the context
// ends; and again after the time that look asks for, unless that is 0. The file's folder is watched, not the file, which may be replaced; where
// the folder is not there (yet), the nearest one above it is.
func watchFile(ctx context.Context, path string, look func() (again time.Duration)) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer func() { _ = f.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer stop()
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	buf := make([]byte, 4096)
	folder, wd := "", -1
	for ctx.Err() == nil {
		if nearest := nearestFolder(path); nearest != folder || wd < 0 {
			if wd >= 0 {
				_, _ = unix.InotifyRmWatch(fd, uint32(wd)) // gone with its folder, perhaps
			}
			const events = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
			if wd, err = unix.InotifyAddWatch(fd, nearest, events); err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					wd = -1
					continue // it went just now; look again for the nearest
				}
				return fmt.Errorf("inotify: watch %s: %w", nearest, err)
			}
			folder = nearest
			if nearestFolder(path) != folder {
				continue // it came while the one above was being watched
			}
		}
		var again time.Time
		if wait := look(); wait > 0 {
			again = time.Now().Add(wait)
		}
		err := f.SetReadDeadline(again)
		if err == nil {
			_, err = f.Read(buf)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("inotify: %w", err)
		}
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			wd = -1
		}
	}
	return nil
}

// nearestFolder is the deepest folder above path that is there.
func nearestFolder(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); dir == "/" || (err == nil && info.IsDir()) {
			return dir
		}
	}
}
