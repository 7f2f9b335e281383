package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"usher/conf"
	"usher/healthcheck/files"
	"usher/vrrp/statefile"
)

// The daemon's own files in the state folder; the director keeps its beside them.
const (
	lockFile        = "lock"
	maintenanceFile = "maintenance"
	withdrawnFile   = "withdrawn"
	lastGoodFile    = "last-good.json"
	elsewhereFile   = "elsewhere"
)

// lastGoodMost is how many bytes the last good configuration may have: it is JSON, and
// larger than the files that it came from.
const lastGoodMost = 1 << 30

// stateFolder is the state folder, held by this process alone.
type stateFolder struct {
	path string
	lock *os.File
	good chan *conf.Config // the last good configuration, until keep has written it
}

// openState makes the folder where it is not there and locks it. The lock is the
// kernel's: it goes with the process, however that ends.
func openState(path string) (*stateFolder, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("state folder: %w (global.state names another)", err)
	}
	if err := ours(path); err != nil {
		return nil, err
	}
	f, err := statefile.OpenLock(filepath.Join(path, lockFile))
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("state folder: %s is a symbolic link, which usher never makes: remove it", filepath.Join(path, lockFile))
	}
	if err != nil {
		return nil, fmt.Errorf("state folder is not writable: %w (global.state names another)", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("state folder %s is in use by another usher (several on one machine differ in state and control): %w", path, err)
	}
	for _, name := range []string{maintenanceFile, withdrawnFile, lastGoodFile, eventsFile} {
		statefile.Clear(filepath.Join(path, name))
	}
	return &stateFolder{path: path, lock: f, good: make(chan *conf.Config, 1)}, nil
}

// ours says what keeps a state folder from being trusted: what is in it makes usher
// remove addresses and change the kernel, so nobody else may write there.
func ours(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fmt.Errorf("state folder %s: %w", path, err)
	}
	return trusted(path, st.Uid, st.Mode, os.Geteuid())
}

// trusted judges a folder by its owner and mode for a process of user uid.
func trusted(path string, owner, mode uint32, uid int) error {
	if int(owner) != uid && owner != 0 {
		return fmt.Errorf("the state folder %s belongs to user %d, who could have usher undo things that are not its own: chown %d %s, or name another by global.state", path, owner, uid, path)
	}
	if mode&0o022 != 0 {
		return fmt.Errorf("the state folder %s can be written by others (mode %04o), who could have usher undo things that are not its own: chmod go-w %s, or name another by global.state", path, mode&0o7777, path)
	}
	return nil
}

// lockPatience is how long one waits for whoever has the lock: `usher withdraw`, which is
// soon over.
const lockPatience = time.Second

// flock takes the lock of an open file.
func flock(f *os.File) error {
	end := time.Now().Add(lockPatience)
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			return err
		}
		time.Sleep(10 * time.Millisecond) // the kernel tells nobody of a lock's end who can also give up
	}
}

// LockState keeps daemons from starting with a state folder until release is called. It
// fails while one runs, whatever has become of its control socket. Where no daemon ever
// ran there is nothing to lock.
func LockState(path string) (release func() error, err error) {
	f, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0) // a named pipe would wait for a writer
	if errors.Is(err, os.ErrNotExist) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := flock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("a daemon runs with the state folder %s: stop it first (%w)", path, err), f.Close())
	}
	return f.Close, nil
}

func (s *stateFolder) close() error { return s.lock.Close() }

// leaveNotice tells, in the folder that the service manager gave, of the state folder
// that the configuration names: what runs before and after the daemon, and cannot
// read its configuration, finds it there.
func leaveNotice(home, path string) error {
	if home == "" {
		return nil
	}
	word := filepath.Join(home, elsewhereFile)
	statefile.Clear(word)
	if filepath.Clean(home) == filepath.Clean(path) {
		if err := os.Remove(word); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("state folder: %w", err)
		}
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return (&stateFolder{path: home}).write(elsewhereFile, []byte(path+"\n"))
}

// StateAt is the state folder of the daemon that ran last with a folder of the
// service manager: that one, or the one that it left word of.
func StateAt(home string) string {
	path, err := files.Soon(filepath.Join(home, elsewhereFile), files.Secret)
	if err != nil {
		return home
	}
	return strings.TrimSpace(string(path))
}

// write replaces one file at once.
func (s *stateFolder) write(name string, content []byte) error {
	if err := statefile.Write(filepath.Join(s.path, name), content); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

// maintenance says whether it was on when the last process ended, and since when.
func (s *stateFolder) maintenance() (on bool, since time.Time) {
	info, err := os.Stat(filepath.Join(s.path, maintenanceFile))
	if err != nil {
		return false, time.Time{}
	}
	return true, info.ModTime()
}

func (s *stateFolder) setMaintenance(on bool, by string) error {
	if on {
		return s.write(maintenanceFile, []byte(by+"\n"))
	}
	if err := os.Remove(filepath.Join(s.path, maintenanceFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

// withdrawn are the announcements that an operator has withdrawn.
func (s *stateFolder) withdrawn() []string {
	text, err := files.Soon(filepath.Join(s.path, withdrawnFile), files.Secret)
	if err != nil {
		return nil
	}
	return lines(string(text))
}

func (s *stateFolder) setWithdrawn(names []string) error {
	if len(names) > 0 {
		return s.write(withdrawnFile, []byte(strings.Join(names, "\n")+"\n"))
	}
	if err := os.Remove(filepath.Join(s.path, withdrawnFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("state folder: %w", err)
	}
	return nil
}

func (s *stateFolder) saveLastGood(c *conf.Config) error {
	b, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("last good configuration: %w", err)
	}
	return s.write(lastGoodFile, b)
}

// saveSoon has keep save a configuration, without waiting: to write a large one
// takes longer than to apply its difference to the one before.
func (s *stateFolder) saveSoon(c *conf.Config) {
	select {
	case <-s.good: // one that was not written yet is the last no more
	default:
	}
	s.good <- c
}

// keep saves what saveSoon is given, the latest before it returns when ctx ends.
// It tells failed of those that could not be saved.
func (s *stateFolder) keep(ctx context.Context, failed func(error)) {
	save := func(c *conf.Config) {
		if err := s.saveLastGood(c); err != nil {
			failed(err)
		}
	}
	for {
		select {
		case c := <-s.good:
			save(c)
		case <-ctx.Done():
			select {
			case c := <-s.good:
				save(c)
			default:
			}
			return
		}
	}
}

// LoadLastGood reads the configuration that last ran with the state folder at path.
func LoadLastGood(path string) (*conf.Config, error) {
	b, err := files.Soon(filepath.Join(path, lastGoodFile), lastGoodMost)
	if err != nil {
		return nil, fmt.Errorf("last good configuration: %w", err)
	}
	var c conf.Config
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("last good configuration %s: %w", filepath.Join(path, lastGoodFile), err)
	}
	return &c, nil
}
