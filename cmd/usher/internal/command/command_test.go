package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain makes the test binary a launcher, and what else it starts of itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Word {
		os.Exit(Launcher(os.Args[2:], os.Stderr))
	}
	if len(os.Args) > 2 && os.Args[1] == "first" {
		if os.Getpid() == 1 {
			os.Exit(Init(os.Args[1:], os.Stderr))
		}
		err := syscall.Exec("/bin/bash", []string{"bash", "-c", os.Args[2]}, os.Environ())
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func runner(t *testing.T) *Runner {
	t.Helper()
	r := New()
	t.Cleanup(r.Close)
	return r
}

func sh(text string) Command {
	return Command{Args: []string{"/bin/sh", "-c", text}, Stdout: true}
}

// say runs a script and gives what it said.
func say(t *testing.T, r *Runner, c Command) string {
	t.Helper()
	e, err := r.Run(t.Context(), c)
	if err != nil || e.Code != 0 || e.Signal != 0 {
		t.Fatalf("%v: exit %+v, error %v: %s", c.Args, e, err, e.Head)
	}
	return strings.TrimSpace(string(e.Head))
}

func TestExit(t *testing.T) {
	r := runner(t)
	for name, tt := range map[string]struct {
		command      Command
		code, signal int
		head, tail   string
	}{
		"success":         {sh("exit 0"), 0, 0, "", ""},
		"status":          {sh("exit 3"), 3, 0, "", ""},
		"signal":          {sh("kill -9 $$"), 0, 9, "", ""},
		"both outputs":    {sh("echo one; echo two >&2"), 0, 0, "one\ntwo\n", "one\ntwo\n"},
		"standard error":  {Command{Args: []string{"/bin/sh", "-c", "echo one; echo two >&2"}}, 0, 0, "two\n", "two\n"},
		"no shell":        {Command{Args: []string{"/bin/echo", "$HOME;exit 1"}, Stdout: true}, 0, 0, "$HOME;exit 1\n", "$HOME;exit 1\n"},
		"found in PATH":   {Command{Args: []string{"true"}}, 0, 0, "", ""},
		"the end of much": {sh("head -c 100000 /dev/zero | tr '\\0' x; echo end"), 0, 0, strings.Repeat("x", headSize), strings.Repeat("x", tailSize-4) + "end\n"},
		"output is /dev/null": {Command{Args: []string{"/bin/sh", "-c", "test /proc/self/fd/1 -ef /dev/null && test /proc/self/fd/0 -ef /dev/null"}},
			0, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := r.Run(t.Context(), tt.command)
			if err != nil {
				t.Fatal(err)
			}
			if e.Code != tt.code || e.Signal != tt.signal || string(e.Head) != tt.head || string(e.Tail) != tt.tail {
				t.Errorf("exit %d, signal %d, %q, %q", e.Code, e.Signal, e.Head, e.Tail)
			}
		})
	}
}

// TestEndlessOutput: a program that writes for ever is not read for ever.
func TestEndlessOutput(t *testing.T) {
	e, err := runner(t).Run(t.Context(), Command{Args: []string{"yes"}, Stdout: true})
	if err != nil || !e.Cut || e.Signal != int(unix.SIGPIPE) {
		t.Errorf("cut %v, signal %d, error %v", e.Cut, e.Signal, err)
	}
}

func TestStartError(t *testing.T) {
	r, dir := runner(t), t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, tt := range map[string]struct {
		command Command
		want    string
	}{
		"no command":     {Command{}, "no command"},
		"missing":        {Command{Args: []string{"/no/such/file"}}, "/no/such/file cannot be run: no such file or directory"},
		"not executable": {Command{Args: []string{write("plain", "#!/bin/sh\n", 0o644)}}, "permission denied"},
		"no interpreter": {Command{Args: []string{write("odd", "#!/no/such/sh\n", 0o755)}}, "interpreter"},
		"no program":     {Command{Args: []string{write("text", "words\n", 0o755)}}, "#!"},
		"not in PATH":    {Command{Args: []string{"no-such-program"}}, "no-such-program is not in /usr/local/sbin"},
		"no user":        {Command{Args: []string{"/bin/true"}, User: "nobody-like-this"}, `user "nobody-like-this": there is none on this machine`},
		"no group":       {Command{Args: []string{"/bin/true"}, User: "root:none-like-this"}, `group "none-like-this": there is none on this machine`},
		"no number":      {Command{Args: []string{"/bin/true"}, User: "4000000000"}, `user "4000000000"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Run(t.Context(), tt.command)
			if !errors.As(err, new(*StartError)) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %q", err, tt.want)
			}
		})
	}
}

// TestEnvironment: nothing of usher's own gets to a program, what is configured does and
// wins.
func TestEnvironment(t *testing.T) {
	t.Setenv("USHER_SECRET", "x")
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	c := Command{Args: []string{"env"}, Stdout: true, Env: []string{"STATE=active", "PATH=/bin:/usr/bin"}}
	var names []string
	for line := range strings.Lines(say(t, runner(t), c)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		names = append(names, name)
		if want, ok := map[string]string{"STATE": "active", "PATH": "/bin:/usr/bin"}[name]; ok && value != want {
			t.Errorf("%s is %s", name, value)
		}
	}
	slices.Sort(names)
	if got, want := strings.Join(names, " "), "HOME LOGNAME PATH STATE USER USHER_RUN"; got != want {
		t.Errorf("a program finds %s; want %s", got, want)
	}
}

// TestNoDescriptor: not even one that usher was itself started with, unmarked.
func TestNoDescriptor(t *testing.T) {
	fd, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	// ls has one of its own, of the folder that it reads.
	if got := say(t, runner(t), Command{Args: []string{"ls", "/proc/self/fd"}, Stdout: true}); strings.Join(strings.Fields(got), " ") != "0 1 2 3" {
		t.Errorf("open descriptors: %s", got)
	}
}

func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, as make test has it")
	}
}

func TestUser(t *testing.T) {
	root(t)
	r := runner(t)
	for spec, want := range map[string]string{
		"nobody":        "65534:65534:65534",
		"65534":         "65534:65534:65534",
		"nobody:daemon": "65534:1:1",
		"nobody:1":      "65534:1:1",
		"12345:1":       "12345:1:1", // without an entry
		"":              "0:0:0",
	} {
		c := sh("echo $(id -u):$(id -g):$(id -G)")
		c.User = spec
		if got := say(t, r, c); got != want {
			t.Errorf("as %q: %s; want %s", spec, got, want)
		}
	}
}

// TestPlainUser: however usher itself stands, with the limits and the schedule of its
// unit, a program stands where a plain user's does.
func TestPlainUser(t *testing.T) {
	root(t)
	const test = "TestPlainUserInside"
	// What this machine does not let a test raise is in TestLowered.
	cmd := exec.Command("bash", "-c", `ulimit -r 99; ulimit -l unlimited; echo -500 > /proc/self/oom_score_adj
		ulimit -Sn 4096; umask 077; trap "" USR1
		exec setpriv --inh-caps +net_raw --ambient-caps +net_raw chrt -b 0 nice -n -5 "$0" -test.run "^`+test+`\$" -test.v`, os.Args[0])
	cmd.Env = append(os.Environ(), "USHER_TEST_INSIDE=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+test) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPlainUserInside(t *testing.T) {
	if os.Getenv("USHER_TEST_INSIDE") == "" {
		return // TestPlainUser runs it
	}
	r := runner(t)
	for name, tt := range map[string]struct{ script, want string }{
		"OOM score":          {"cat /proc/self/oom_score_adj", "0"},
		"real-time priority": {"ulimit -r; ulimit -Hr", "0 0"},
		"nice":               {"nice; ulimit -e", "0 0"},
		"locked memory":      {"ulimit -l", "8192"},
		"descriptors":        {"ulimit -n", "1024"},
		"schedule":           {"chrt -p $$ | grep -c SCHED_OTHER", "1"},
		"no real-time by it": {"chrt -f 99 true 2> /dev/null; echo $?", "1"},
		"no capability":      {"grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status | grep -vc 0000000000000000", "0"},
		"umask":              {"umask", "0022"},
		"folder":             {"pwd", "/"},
		"no signal blocked":  {"grep SigBlk /proc/self/status | grep -vc 0000000000000000", "0"},
	} {
		c := Command{Args: []string{"bash", "-c", tt.script + "; true"}, User: "nobody", Stdout: true}
		if got := strings.Join(strings.Fields(say(t, r, c)), " "); got != tt.want {
			t.Errorf("%s: %s; want %s", name, got, tt.want)
		}
	}
	// root is root, and is not given more by the way.
	c := Command{Args: []string{"bash", "-c", "grep -E 'Cap(Inh|Amb)' /proc/self/status | grep -vc 0000000000000000; true"}, Stdout: true}
	if got := say(t, r, c); got != "0" {
		t.Errorf("root inherits %s sets of capabilities", got)
	}
}

// TestLowered: limits become a plain user's, and stay what they are where that is less.
func TestLowered(t *testing.T) {
	const infinity = unix.RLIM_INFINITY
	for name, tt := range map[string]struct {
		resource  int
		now, want unix.Rlimit
	}{
		"real-time priority of the unit": {unix.RLIMIT_RTPRIO, unix.Rlimit{Cur: 99, Max: 99}, unix.Rlimit{}},
		"nice":                           {unix.RLIMIT_NICE, unix.Rlimit{Cur: 40, Max: 40}, unix.Rlimit{}},
		"locked memory of the unit":      {unix.RLIMIT_MEMLOCK, unix.Rlimit{Cur: infinity, Max: infinity}, unix.Rlimit{Cur: 8 << 20, Max: 8 << 20}},
		"less locked memory":             {unix.RLIMIT_MEMLOCK, unix.Rlimit{Cur: 65536, Max: infinity}, unix.Rlimit{Cur: 65536, Max: 8 << 20}},
		"descriptors of the unit":        {unix.RLIMIT_NOFILE, unix.Rlimit{Cur: 262144, Max: 1 << 20}, unix.Rlimit{Cur: 1024, Max: 524288}},
	} {
		if got := lowered(tt.resource, tt.now); got != tt.want {
			t.Errorf("%s: %+v; want %+v", name, got, tt.want)
		}
	}
}

// BenchmarkWithout measures the same by os/exec, for comparison.
func BenchmarkWithout(b *testing.B) {
	for b.Loop() {
		cmd := exec.Command("/bin/true")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRun measures what one command costs.
func BenchmarkRun(b *testing.B) {
	r := New()
	defer r.Close()
	for b.Loop() {
		if e, err := r.Run(b.Context(), Command{Args: []string{"/bin/true"}, User: "nobody", Stdout: true}); err != nil || e.Code != 0 {
			b.Fatal(fmt.Sprint(e, err))
		}
	}
}
