package script

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sh(text string) Command {
	return Command{Args: []string{"/bin/sh", "-c", text}, Timeout: 10 * time.Second}
}

func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		command Command
		want    string // of the error; "" for none
	}{
		"success":                {sh("exit 0"), ""},
		"status":                 {sh("exit 3"), "exit status 3"},
		"what it said last":      {sh("echo first >&2; echo no backend >&2; exit 1"), "exit status 1: no backend"},
		"no shell":               {Command{Args: []string{"/bin/echo", "$HOME;exit 1"}, Timeout: 10 * time.Second}, ""},
		"no such program":        {Command{Args: []string{"/nowhere/at-all"}, Timeout: 10 * time.Second}, "no such file"},
		"no such user":           {Command{Args: []string{"/bin/true"}, User: "nobody-like-this", Timeout: 10 * time.Second}, `user "nobody-like-this"`},
		"no such group":          {Command{Args: []string{"/bin/true"}, User: "root:none-like-this", Timeout: 10 * time.Second}, `group "none-like-this"`},
		"no command":             {Command{Timeout: 10 * time.Second}, "no command"},
		"a background child":     {sh("/bin/sleep 60 >&2 & exit 0"), ""},
		"a small environment":    {sh(`test -z "$USHER_SECRET" && test -n "$PATH"`), ""},
		"what is added is there": {Command{Args: []string{"/bin/sh", "-c", `test "$STATE" = active`}, Env: []string{"STATE=active"}, Timeout: 10 * time.Second}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("USHER_SECRET", "x")
			err := Run(t.Context(), tt.command)
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v; want %q", err, tt.want)
			}
		})
	}
}

// TestTimeoutKillsTheGroup: a grandchild that ignores the request to end, and
// whose parent is gone, does not survive either.
func TestTimeoutKillsTheGroup(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	c := sh(`(trap "" TERM; exec 3>"` + fifo + `"; while :; do /bin/sleep 1; done) & wait`)
	c.Timeout = 300 * time.Millisecond
	// Whoever reads the pipe sees its end when the last writer is dead.
	ended := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(fifo)
		ended <- err
	}()
	start := time.Now()
	if err := Run(t.Context(), c); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "after 300ms") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("a process of the group is still alive")
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := Run(ctx, sh("exec /bin/sleep 60")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestUser(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	name, uid := me.Username, me.Uid
	if os.Geteuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		name, uid = "nobody", nobody.Uid
	}
	for _, spec := range []string{name, uid} {
		c := sh(`test "$(id -u)" = ` + uid + ` && test "$USER" = ` + name)
		c.User = spec
		if err := Run(t.Context(), c); err != nil {
			t.Errorf("as %s: %v", spec, err)
		}
	}
}
