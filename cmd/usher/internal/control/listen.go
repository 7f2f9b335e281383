// Package control opens the control socket and looks at who speaks over it.
package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Mode is the control socket's: its owner and group may steer the daemon.
const Mode = 0o660

// maxPath is the kernel's limit (unix(7): sun_path, with its end).
const maxPath = 107

// ErrServed is returned by Listen for a socket at which somebody answers.
var ErrServed = errors.New("the control socket is already served: is another usher running? (several on one machine differ in state and control)")

// Listen opens the unix socket at path with Mode, and its folder where that is not
// there. A socket file that nobody serves is removed; one that is served is
// ErrServed; anything else at path is an error and stays.
func Listen(path string) (net.Listener, error) {
	if err := vacate(path); err != nil {
		return nil, fmt.Errorf("control: %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	// Bound under another name and renamed once its mode is right: nobody can
	// connect in between, and no process-wide umask is touched.
	hidden := fmt.Sprintf("%s.%d", path, os.Getpid())
	if len(hidden) > maxPath {
		return nil, fmt.Errorf("control: %s: the path of a unix socket may have %d characters at most", path, maxPath-len(hidden)+len(path))
	}
	if err := os.Remove(hidden); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	l.SetUnlinkOnClose(false)
	if err := publish(hidden, path); err != nil {
		l.Close()
		os.Remove(hidden)
		return nil, fmt.Errorf("control: %w", err)
	}
	return &listener{Listener: l, path: path}, nil
}

func publish(hidden, path string) error {
	if err := os.Chmod(hidden, Mode); err != nil {
		return err
	}
	return os.Rename(hidden, path)
}

// vacate makes room for the socket, or says why there is none.
func vacate(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return errors.New("is there and is no socket; remove it, or give another control path")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return ErrServed
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// listener removes its file when it is closed, unless another one has taken the
// place meanwhile.
type listener struct {
	net.Listener
	path string
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func (l *listener) Close() error {
	err := l.Listener.Close()
	if vacateErr := vacate(l.path); vacateErr != nil && !errors.Is(vacateErr, ErrServed) {
		return errors.Join(err, vacateErr)
	}
	return err
}
