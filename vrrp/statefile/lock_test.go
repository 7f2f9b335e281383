package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenLock: a lock is made, is not followed through a link, and on a file system that
// has become read-only is the one that was there.
func TestOpenLock(t *testing.T) {
	folder := t.TempDir()
	done := make(chan struct{})
	go func() { // on a thread of its own mounts, which ends with it
		defer close(done)
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount("none", folder, "tmpfs", 0, "")
		}
		if err != nil {
			t.Errorf("a file system for the test, which needs root: %v", err)
			return
		}
		path := filepath.Join(folder, "lock")
		open := func(when string) {
			f, err := OpenLock(path)
			if err == nil {
				err = errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), f.Close())
			}
			if err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		open("new")
		if err := os.Symlink("elsewhere", filepath.Join(folder, "link")); err != nil {
			t.Error(err)
		}
		if _, err := OpenLock(filepath.Join(folder, "link")); !errors.Is(err, unix.ELOOP) {
			t.Errorf("a link: %v", err)
		}
		if err := unix.Mount("none", folder, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Error(err)
		}
		open("read-only")
		if _, err := OpenLock(filepath.Join(folder, "other")); !errors.Is(err, unix.EROFS) {
			t.Errorf("one that was never there: %v", err)
		}
	}()
	<-done
}
