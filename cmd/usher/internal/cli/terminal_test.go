package cli_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/cli"
)

// pty is a pseudo-terminal: what is written to the terminal is read at the master.
func pty(t *testing.T, rows, columns uint16) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return master, terminal
}

// TestWatchOnATerminal: --watch refreshes in place, in colour, cut at the height of
// the screen and at its width, so that no line takes two and pushes the first ones out; it
// gives cursor and wrapping back at the end; NO_COLOR takes the colour away.
func TestWatchOnATerminal(t *testing.T) {
	s := api.Status{RouterID: "lb1", Version: "1", Instances: []api.Instance{{Name: "web", State: "active", Since: time.Now()}}}
	for n := range 30 {
		s.Instances = append(s.Instances, api.Instance{Name: fmt.Sprint("more", n), State: "backup", Since: time.Now()})
	}
	for _, plain := range []string{"", "1"} {
		socket, backend := daemon(t, s)
		master, terminal := pty(t, 12, 100)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan int)
		go func() {
			done <- cli.Run(ctx, []string{"status", "--watch", "--interval", "100ms", "--control", socket}, cli.System{
				Stdin: strings.NewReader(""), Stdout: terminal, Stderr: terminal,
				Getenv: func(name string) string { return map[string]string{"NO_COLOR": plain, "TERM": "xterm"}[name] },
			})
		}()
		lines := bufio.NewScanner(master)
		var seen strings.Builder
		until := func(want string) {
			t.Helper()
			for !strings.Contains(seen.String(), want) {
				if !lines.Scan() {
					t.Fatalf("no %q: %v\n%q", want, lines.Err(), seen.String())
				}
				seen.WriteString(lines.Text() + "\n")
			}
		}
		until("more lines")
		first := seen.String()
		if !strings.HasPrefix(first, "\x1b[?25l\x1b[?7l\x1b[2J\x1b[H") || strings.Count(first, "\n") > 12 {
			t.Errorf("the first view does not fill the screen from its top:\n%q", first)
		}
		if coloured := strings.Contains(first, "\x1b[32m"); coloured != (plain == "") {
			t.Errorf("with NO_COLOR=%q coloured is %t:\n%q", plain, coloured, first)
		}
		seen.Reset()
		backend.Change(func(s *api.Status) { s.Instances[0].State = "fault" })
		until("fault")
		if !strings.Contains(seen.String(), "\x1b[H") || strings.Contains(seen.String(), "\x1b[2J") {
			t.Errorf("the next view does not take the place of the one before:\n%q", seen.String())
		}
		cancel()
		drained := make(chan struct{})
		go func() { // what the watcher still writes, so that it does not wait for a reader
			defer close(drained)
			for lines.Scan() {
				seen.WriteString(lines.Text())
			}
		}()
		if code := <-done; code != 0 {
			t.Errorf("interrupted, it exits with %d", code)
		}
		terminal.Close()
		<-drained
		if !strings.HasSuffix(seen.String(), "\x1b[?7h\x1b[?25h") {
			t.Errorf("the terminal is not as it was: %q", seen.String()[max(0, seen.Len()-40):])
		}
	}
}

// TestWatchScrolls: keys move through what is longer than the screen, q ends it, and the
// terminal is as it was.
func TestWatchScrolls(t *testing.T) {
	s := api.Status{RouterID: "lb1", Version: "1"}
	for n := range 30 {
		s.Instances = append(s.Instances, api.Instance{Name: fmt.Sprint("web", n), State: "backup", Since: time.Now()})
	}
	socket, _ := daemon(t, s)
	master, terminal := pty(t, 12, 100)
	before, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan int)
	go func() {
		done <- cli.Run(t.Context(), []string{"status", "--watch", "--interval", "1h", "--control", socket}, cli.System{
			Stdin: terminal, Stdout: terminal, Stderr: terminal, Getenv: func(string) string { return "" },
		})
	}()
	lines := bufio.NewScanner(master)
	until := func(want string) {
		t.Helper()
		var seen strings.Builder
		for !strings.Contains(seen.String(), want) {
			if !lines.Scan() {
				t.Fatalf("no %q: %v\n%q", want, lines.Err(), seen.String())
			}
			seen.WriteString(lines.Text() + "\n")
		}
	}
	press := func(key string) {
		t.Helper()
		if _, err := master.WriteString(key); err != nil {
			t.Fatal(err)
		}
	}
	until("24 more lines below, 0 above")
	press("\x1b[B")
	until("23 more lines below, 1 above")
	press(" ")
	until("13 more lines below, 11 above")
	press("\x1b[A")
	until("14 more lines below, 10 above")
	press("b")
	until("24 more lines below, 0 above")
	press("q")
	if code := <-done; code != 0 {
		t.Errorf("ended by q, it exits with %d", code)
	}
	if after, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS); err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %v\n%+v\n%+v", err, before, after)
	}
}

// colours finds what only paints.
var colours = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)

// TestReasonsFitTheScreen: the answer to "why" is on an 80 columns wide screen as a whole,
// also while --watch cuts what is wider.
func TestReasonsFitTheScreen(t *testing.T) {
	words := make([]string, 20)
	for i := range words {
		words[i] = fmt.Sprintf("word-%d-of-it", i)
	}
	reason := strings.Join(words, " ")
	s := farm(2)
	s.VirtualServers[0].RealServers[1].Reason = "server " + reason
	s.VirtualServers[1].Reason = "pool " + reason
	s.Instances[1].Reason = "instance " + reason
	socket, _ := daemon(t, s)
	master, terminal := pty(t, 60, 80)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- cli.Run(ctx, []string{"status", "--watch", "--interval", "1h", "--control", socket}, cli.System{
			Stdin: strings.NewReader(""), Stdout: terminal, Stderr: terminal, Getenv: func(string) string { return "" },
		})
	}()
	lines := bufio.NewScanner(master)
	seen := map[string]bool{}
	for n := 0; n < 3; { // the last words of the three reasons
		if !lines.Scan() {
			t.Fatalf("the view ends: %v", lines.Err())
		}
		text := colours.ReplaceAllString(strings.TrimSuffix(lines.Text(), "\r"), "")
		for _, w := range words {
			if strings.Contains(text, w) {
				seen[w] = true
				if len(text) > 80 {
					t.Errorf("%d columns: %q", len(text), text)
				}
			}
		}
		n += strings.Count(text, words[len(words)-1])
	}
	if len(seen) != len(words) {
		t.Errorf("of %d words %d are seen", len(words), len(seen))
	}
	cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	if code := <-done; code != 0 {
		t.Errorf("interrupted, it exits with %d", code)
	}
	terminal.Close()
	<-drained
}
