// Package files reads files whose paths somebody else gave: they may be no files at all,
// without an end, or on a file system that does not answer. A read takes a regular file
// up to a size, waits no longer than its context, and leaves at most one thread of the
// process behind for each path that hangs.
//
//	text, err := files.Read(ctx, "/etc/usher/token", files.Secret)
package files

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"usher/vrrp/statefile"
)

// Secret is how many bytes a file with a password, a key or certificates may have.
const Secret = 4 << 20

// Read gives the whole of a regular file of at most limit bytes. An error names the
// path: one that is anything else than a regular file (after symbolic links), has more
// than limit bytes, or did not answer before ctx ended. Nothing is opened that is not a
// regular file, for that alone can have effects.
func Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	return bounded(ctx, "read", path, func() ([]byte, error) { return statefile.Read(path, limit) })
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
