package files

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOnlyRegularFiles: a named pipe, which would wait for a writer, is refused like
// everything else that is no regular file, by its kind.
func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := unix.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, content := range map[string]string{"file": "0123456789", "long": "0123456789a"} {
		if err := os.WriteFile(at(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link": "file", "pipelink": "pipe", "loop": "loop"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		at("pipe"): "a named pipe, not a regular file", at("pipelink"): "a named pipe, not a regular file",
		at("socket"): "a socket, not a regular file", dir: "a folder, not a regular file",
		"/dev/zero": "a device, not a regular file", at("long"): "more than 10 bytes",
		at("none"): "no such file", at("loop"): "too many levels of symbolic links",
	} {
		got, err := Read(t.Context(), path, 10)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || got != nil {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	for _, path := range []string{at("file"), at("link")} {
		if got, err := Read(t.Context(), path, 10); string(got) != "0123456789" || err != nil {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if got, err := Read(t.Context(), "/proc/self/stat", 1<<20); len(got) == 0 || err != nil {
		t.Errorf("a file of the kernel's: %q, %v", got, err)
	}
}

// TestHangingFileSystem: who asks waits as long as it wants to, and however often it
// asks, one call is left behind. When it returns at last, the next gets its own.
func TestHangingFileSystem(t *testing.T) {
	var calls atomic.Int32
	answer := make(chan struct{})
	call := func() (int, error) {
		calls.Add(1)
		<-answer
		return 1, nil
	}
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	for range 8 {
		go func() {
			_, err := bounded(ctx, "read", t.Name(), call)
			ended <- err
		}()
	}
	cancel(gone)
	for range 8 {
		if err := <-ended; !errors.Is(err, gone) || !strings.Contains(err.Error(), t.Name()+": the file system does not answer") {
			t.Errorf("it says %v", err)
		}
	}
	if n := calls.Load(); n > 1 {
		t.Errorf("%d calls hang", n)
	}
	close(answer)
	if v, err := bounded(t.Context(), "read", t.Name(), func() (int, error) { return 2, nil }); v != 2 || err != nil {
		t.Errorf("afterwards: %d, %v", v, err)
	}
}
