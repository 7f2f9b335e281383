package terminal

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Key is what a person pressed, as far as it means something.
type Key uint8

// The keys.
const (
	KeyOther Key = iota
	KeyUp
	KeyDown
	KeyPageUp
	KeyPageDown
	KeyHome
	KeyQuit
)

// sequences are what terminals send for keys (ECMA-48, and as less(1) has them).
var sequences = map[string]Key{
	"\x1b[A": KeyUp, "k": KeyUp, "\x1b[B": KeyDown, "j": KeyDown, "\n": KeyDown, "\r": KeyDown,
	"\x1b[5~": KeyPageUp, "b": KeyPageUp, "\x1b[6~": KeyPageDown, " ": KeyPageDown, "f": KeyPageDown,
	"\x1b[H": KeyHome, "g": KeyHome, "q": KeyQuit,
}

// Keys reads keys from a terminal, each as it is pressed and without showing it;
// signals, as of ^C, stay signals. restore puts the terminal back, and must be called. What
// is no terminal is an error. The channel is closed at the end of input.
func Keys(r io.Reader) (keys <-chan Key, restore func(), err error) {
	f, ok := r.(*os.File)
	if !ok || !Is(f) {
		return nil, nil, errors.New("no terminal to read keys from")
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, nil, err
	}
	plain := *before
	plain.Lflag &^= unix.ICANON | unix.ECHO
	plain.Cc[unix.VMIN], plain.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &plain); err != nil {
		return nil, nil, err
	}
	pressed, done := make(chan Key), make(chan struct{})
	// It stays in Read until another key or the end of the program: a terminal's file
	// cannot be waited for and left.
	go func() {
		defer close(pressed)
		buf := make([]byte, 16)
		for {
			n, err := f.Read(buf)
			if err != nil {
				return
			}
			select {
			case pressed <- sequences[string(buf[:n])]:
			case <-done:
				return
			}
		}
	}()
	return pressed, func() {
		close(done)
		// The terminal is the caller's: what cannot be put back is seen there.
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, before)
	}, nil
}
