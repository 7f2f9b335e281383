// Package control opens the control socket and looks at who speaks over it.
package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
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
func Listen(path string) (*Listener, error) {
	l := &Listener{path: path, closed: make(chan struct{})}
	var err error
	if l.current, l.file, err = bind(path); err != nil {
		return nil, err
	}
	return l, nil
}

// bind makes the socket and its file.
func bind(path string) (net.Listener, os.FileInfo, error) {
	if err := vacate(path); err != nil {
		return nil, nil, fmt.Errorf("control: %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, nil, fmt.Errorf("control: %w", err)
	}
	// Bound under another name and renamed once its mode is right: nobody can
	// connect in between, and no process-wide umask is touched.
	hidden := fmt.Sprintf("%s.%d", path, os.Getpid())
	if len(hidden) > maxPath {
		return nil, nil, fmt.Errorf("control: %s: the path of a unix socket may have %d characters at most", path, maxPath-len(hidden)+len(path))
	}
	if err := os.Remove(hidden); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("control: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, nil, fmt.Errorf("control: %w", err)
	}
	l.SetUnlinkOnClose(false)
	file, err := publish(hidden, path)
	if err != nil {
		l.Close()
		os.Remove(hidden)
		return nil, nil, fmt.Errorf("control: %w", err)
	}
	return l, file, nil
}

func publish(hidden, path string) (os.FileInfo, error) {
	if err := os.Chmod(hidden, Mode); err != nil {
		return nil, err
	}
	file, err := os.Lstat(hidden)
	if err != nil {
		return nil, err
	}
	return file, os.Rename(hidden, path)
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

// Listener is the control socket. It removes its file when it is closed, unless another
// one has taken the place meanwhile.
type Listener struct {
	path   string
	closed chan struct{}

	mu      sync.Mutex
	current net.Listener
	file    os.FileInfo // of its path
}

func (l *Listener) present() net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// Accept waits for the next connection, at a socket that took the place of another one as well.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		at := l.present()
		c, err := at.Accept()
		select {
		case <-l.closed:
			return c, err
		default:
		}
		if err == nil || at == l.present() {
			return c, err
		}
	}
}

// Addr is the path of the socket.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Restore puts the socket back where its file is gone, or one that nobody serves has
// its place, and says whether it did. It is an error where it cannot, as where another process
// serves the path. Connections that there are go on.
func (l *Listener) Restore() (restored bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.file) {
		return false, nil
	}
	select {
	case <-l.closed:
		return false, nil
	default:
	}
	next, file, err := bind(l.path)
	if err != nil {
		return false, err
	}
	before := l.current
	l.current, l.file = next, file
	return true, before.Close() // wakes Accept
}

// Close ends the listener.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return net.ErrClosed
	default:
	}
	close(l.closed)
	err := l.current.Close()
	if vacateErr := vacate(l.path); vacateErr != nil && !errors.Is(vacateErr, ErrServed) {
		return errors.Join(err, vacateErr)
	}
	return err
}
