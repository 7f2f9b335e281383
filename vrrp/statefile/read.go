package statefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrForeign is what an error of Read wraps of a path at which there is something that was
// not written there by Write: no regular file, or a larger one.
var ErrForeign = errors.New("not written by usher")

// foreign is an ErrForeign that says what is there.
type foreign string

func (f foreign) Error() string        { return string(f) }
func (f foreign) Is(target error) bool { return target == ErrForeign }

// Read gives the whole of a regular file of at most most bytes. An error names the path:
// what is anything else than a regular file (after symbolic links) or has more than most
// bytes is ErrForeign. Nothing is opened that is not a regular file, for that alone can
// have effects, and would wait for a writer of a named pipe.
func Read(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			p.Op = "open" // what was wanted
		}
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	// What has become a named pipe since does not block the opening either.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	large := &fs.PathError{Op: "read", Path: path, Err: foreign("it has more than " + size(most) + "; is it the right file?")}
	if info.Size() > most {
		return nil, large
	}
	var all bytes.Buffer
	all.Grow(int(info.Size()) + bytes.MinRead) // what a large file is copied for else
	if _, err := all.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	text := all.Bytes()
	if int64(len(text)) > most { // it grows, or its file system does not know
		return nil, large
	}
	return text, nil
}

func size(most int64) string {
	if most >= 1<<20 && most%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", most>>20)
	}
	return fmt.Sprintf("%d bytes", most)
}

// regular refuses what is no regular file, and names what it is.
func regular(path string, info fs.FileInfo) error {
	var kind string
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	default:
		kind = "something else"
	}
	return &fs.PathError{Op: "read", Path: path, Err: foreign("it is " + kind + ", not a regular file")}
}
