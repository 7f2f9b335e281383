package api

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDaemonThatDoesNotAnswer: whoever asks a daemon that takes a connection and says
// nothing, as one that is stopped does, is told so.
func TestDaemonThatDoesNotAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usher.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := Socket(path)
	c.patience = 50 * time.Millisecond
	var s map[string]any
	if err := c.Get(t.Context(), "/api/v1/status", &s); err == nil || !strings.Contains(err.Error(), path+": the daemon does not answer within 50 ms: it is stopped or stuck") {
		t.Errorf("it is told %v", err)
	}
}
