// Package files reads files whose paths somebody else gave: they may be no files at all,
// without an end, or on a file system that does not answer. A read takes a regular file
// up to a size, waits no longer than its context, and leaves at most one thread of the
// process behind for each path that hangs.
//
//	text, err := files.Read(ctx, "/etc/usher/token", files.Secret)
package files

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// Secret is how many bytes a file with a password, a key or certificates may have.
const Secret = 4 << 20

// Read gives the whole of a regular file of at most limit bytes. An error names the
// path: one that is anything else than a regular file (after symbolic links), has more
// than limit bytes, or did not answer before ctx ended. Nothing is opened that is not a
// regular file, for that alone can have effects.
func Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	return bounded(ctx, "read", path, func() ([]byte, error) { return read(path, limit) })
}

// Patience is how long Soon and KeyPair wait.
const Patience = 5 * time.Second

// Soon is Read that waits for Patience.
func Soon(path string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return Read(ctx, path, limit)
}

// KeyPair is tls.LoadX509KeyPair with the bounds of Soon and Secret.
func KeyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := Soon(certFile, Secret)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := Soon(keyFile, Secret)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// Stat is os.Stat that waits no longer than ctx.
func Stat(ctx context.Context, path string) (fs.FileInfo, error) {
	return bounded(ctx, "stat", path, func() (fs.FileInfo, error) { return os.Stat(path) })
}

// Folder is os.ReadDir that waits no longer than ctx.
func Folder(ctx context.Context, path string) ([]fs.DirEntry, error) {
	return bounded(ctx, "list", path, func() ([]fs.DirEntry, error) { return os.ReadDir(path) })
}

func read(path string, limit int64) ([]byte, error) {
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
	large := &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it has more than %s; is it the right file?", size(limit))}
	if info.Size() > limit {
		return nil, large
	}
	var all bytes.Buffer
	all.Grow(int(info.Size()) + bytes.MinRead) // what a large file is copied for else
	if _, err := all.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	text := all.Bytes()
	if int64(len(text)) > limit { // it grows, or its file system does not know
		return nil, large
	}
	return text, nil
}

func size(limit int64) string {
	if limit >= 1<<20 && limit%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", limit>>20)
	}
	return fmt.Sprintf("%d bytes", limit)
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
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is %s, not a regular file", kind)}
}

// A call to the kernel cannot be called back: one that hangs keeps its thread until the
// file system answers. So there is one at a time for the same thing, in the whole
// process, whoever asks how often.
var calls = struct {
	sync.Mutex
	under map[string]chan struct{} // closed when it returns
}{under: map[string]chan struct{}{}}

// bounded does one call on a path and waits for it no longer than ctx.
func bounded[T any](ctx context.Context, op, path string, call func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	key := op + " " + path
	for {
		if err := ctx.Err(); err != nil {
			var none T
			return none, silent(op, path, ctx)
		}
		calls.Lock()
		before := calls.under[key]
		if before == nil {
			done := make(chan struct{})
			calls.under[key] = done
			calls.Unlock()
			result := make(chan outcome, 1)
			go func() {
				v, err := call()
				calls.Lock()
				delete(calls.under, key)
				calls.Unlock()
				close(done)
				result <- outcome{v, err}
			}()
			select {
			case r := <-result:
				return r.value, r.err
			case <-ctx.Done():
				var none T
				return none, silent(op, path, ctx)
			}
		}
		calls.Unlock()
		// What another one reads may be what was there before this was asked.
		select {
		case <-before:
		case <-ctx.Done():
		}
	}
}

func silent(op, path string, ctx context.Context) error {
	return &fs.PathError{Op: op, Path: path, Err: fmt.Errorf("the file system does not answer in time: %w", context.Cause(ctx))}
}
