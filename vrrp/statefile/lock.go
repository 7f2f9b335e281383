package statefile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OpenLock opens a file that is there to be locked (flock(2)) and for nothing else, and
// makes it where it is not there: not through a link that somebody has put in its place,
// which is unix.ELOOP, for what that names would be made. On a file system that has become
// read-only, as after an error of the disk, one that is there is good enough.
func OpenLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, unix.EROFS) {
		if old, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0); err == nil {
			return old, nil
		}
	}
	return f, err
}
