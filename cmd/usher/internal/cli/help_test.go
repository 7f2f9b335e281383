package cli_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestManual: the page is made from the commands and troff has no complaint.
func TestManual(t *testing.T) {
	code, out, _ := usher(t, "man")
	if code != 0 {
		t.Fatal(code)
	}
	for _, want := range []string{".TH USHER 8", "usher drain VIRTUAL_SERVER REAL_SERVER", "\\-\\-last\\-good", "Exit status: 0 no change, 2 changes, 1 error"} {
		if !strings.Contains(out, want) {
			t.Errorf("the manual lacks %q", want)
		}
	}
	cmd := exec.Command("man", "--warnings", "-l", "-")
	cmd.Stdin = strings.NewReader(out)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("man: %v\n%s", err, complaints.String())
	}
}

// TestEveryCommandTeaches: a long help and an example where there is something to
// learn, and completion for the three shells.
func TestEveryCommandTeaches(t *testing.T) {
	_, help, _ := usher(t, "--help")
	for _, verb := range []string{"run", "validate", "plan", "reload", "status", "drain", "enable", "disable", "weight", "failover", "maintenance",
		"check", "events", "import", "withdraw", "real-server", "fmt", "init", "version", "completion", "man"} {
		if !strings.Contains(help, "\n  "+verb+" ") {
			t.Errorf("help lacks %s", verb)
		}
		if code, out, _ := usher(t, verb, "--help"); code != 0 || len(out) < 100 {
			t.Errorf("usher %s --help: %d, %q", verb, code, out)
		}
	}
	if strings.Contains(help, "vrrp-child") {
		t.Error("help shows the hidden command")
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, _ := usher(t, "completion", shell); code != 0 || len(out) < 1000 {
			t.Errorf("completion %s: %d", shell, code)
		}
	}
	if code, out, _ := usher(t, "version", "--json"); code != 0 || !strings.Contains(out, `"go": "go1.`) {
		t.Errorf("version: %d, %s", code, out)
	}
}
