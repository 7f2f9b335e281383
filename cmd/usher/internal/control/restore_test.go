package control_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"usher/cmd/usher/internal/control"
)

// TestRestore: a socket whose file, or folder, is gone comes back, and one that is
// waiting for connections gets those that come to the new one. Another's is left alone.
func TestRestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "usher.sock")
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if restored, err := l.Restore(); restored || err != nil {
		t.Fatalf("nothing was wrong: %t, %v", restored, err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = c.Close()
		}
		accepted <- err
	}()
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if restored, err := l.Restore(); !restored || err != nil {
		t.Fatalf("restored %t, %v", restored, err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-accepted; err != nil {
		t.Errorf("the connection at the new socket: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if restored, err := l.Restore(); restored || !errors.Is(err, control.ErrServed) {
		t.Errorf("beside another daemon's: %t, %v", restored, err)
	}
}
