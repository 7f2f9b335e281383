package control_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"usher/cmd/usher/internal/control"
)

func TestListenModeAndCleanUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "usher.sock")
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("mode %v, %v, want 0660", info.Mode(), err)
	}
	l.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket outlives its listener: %v", err)
	}
}

func TestServedSocketIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.sock")
	first, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := control.Listen(path); !errors.Is(err, control.ErrServed) {
		t.Fatalf("second listener: %v, want ErrServed", err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the first listener was hurt: %v", err)
	}
	c.Close()
}

func TestStaleSocketIsRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

func TestOtherFileStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(path); err == nil {
		t.Fatal("listened at the place of a plain file")
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" {
		t.Error("the file was touched")
	}
}

func TestPeerIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.sock")
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := control.Peer(control.WithPeer(context.Background(), server)); got != me.Username {
		t.Errorf("peer %q, want %q", got, me.Username)
	}
	if got := control.Peer(context.Background()); got != "" {
		t.Errorf("unknown peer named %q", got)
	}
}

func TestPathTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if _, err := control.Listen(path); err == nil || !strings.Contains(err.Error(), "characters at most") {
		t.Errorf("a path of %d characters: %v", len(path), err)
	}
}
