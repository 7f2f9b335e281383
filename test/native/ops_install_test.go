package native

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// installed is director a under a live systemd, with usher's Debian package.
type installed struct{ *lab.Systemd }

// versions are those of the packages that are installed, one after the other.
var versions = []string{"1.0.0", "1.0.1"}

// installedConf is one instance. Without a lease nothing but usher itself takes the
// VIP away, and what takes it from a killed one has to find the state folder.
const installedConf = `
global { state = "/var/lib/usher/lb1" }
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = 100
  virtual_addresses = ["192.168.60.200/32"]
  lease             = "0s"
}
`

// dropIn makes the watchdog bite within a test's time.
const dropIn = "[Service]\nWatchdogSec=10s\n"

// needed are the capabilities that the unit leaves to usher.
var needed = []uint{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_NICE, unix.CAP_IPC_LOCK,
	unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL, unix.CAP_DAC_READ_SEARCH}

// TestInstall is the life of a package under systemd: installed, enabled, reloaded,
// hung, killed, upgraded, purged. That an upgrade leaves IPVS alone is for the lab
// that has it.
func TestInstall(t *testing.T) {
	l := suite.New(t, "")
	for _, v := range versions {
		labtest.Must(t, lab.Package(t.Context(), suite.Root, v))
	}
	machine, err := l.A.Systemd(t.Context())
	labtest.Must(t, err)
	i := installed{machine}

	labtest.Must(t, i.Install(t.Context(), suite.Root, versions[0]))
	if out, err := machine.Run(t.Context(), "systemctl", "is-active", "usher"); err == nil {
		t.Errorf("without a configuration usher is %s", out)
	}
	i.write(t, "/etc/usher/web.hcl", installedConf)
	i.write(t, "/etc/systemd/system/usher.service.d/lab.conf", dropIn)
	i.run(t, "systemctl", "enable", "--now", "usher") // Type=notify: returns when usher is ready
	if got := i.show(t, "StatusText"); got != "1 instance, 0 virtual servers" {
		t.Errorf("when systemd takes usher for ready it shows the status %q", got)
	}
	i.up(t)
	labtest.Must(t, lab.Until(t.Context(), "systemd shows that web is active", func() error {
		if got := i.show(t, "StatusText"); got != "nobody is needed: active for web" {
			return fmt.Errorf("it shows %q", got)
		}
		return nil
	}))

	i.hardened(t)
	i.reloads(t)
	i.hangs(t)
	i.mainKilled(t)
	i.killed(t)
	i.upgrade(t)
	i.purge(t)
}

func (i installed) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := i.Run(t.Context(), args...)
	labtest.Must(t, err)
	return out
}

func (i installed) write(t *testing.T, file, text string) {
	t.Helper()
	labtest.Must(t, os.MkdirAll(filepath.Dir(i.Path(file)), 0o755))
	labtest.Must(t, os.WriteFile(i.Path(file), []byte(text), 0o644))
}

// show gives a property of the service.
func (i installed) show(t *testing.T, property string) string {
	t.Helper()
	return strings.TrimSpace(i.run(t, "systemctl", "show", "--value", "--property="+property, "usher"))
}

// up waits until the service does its work.
func (i installed) up(t *testing.T) {
	t.Helper()
	labtest.Await(t, i.Node, "web", "active")
	labtest.Must(t, i.AwaitVIP(t.Context(), true))
}

// processes are usher's, as this process sees them.
func (i installed) processes(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(i.Path("/sys/fs/cgroup" + i.show(t, "ControlGroup") + "/cgroup.procs"))
	labtest.Must(t, err)
	return strings.Fields(string(b))
}

// hardened looks at what the kernel says of all processes, and has systemd judge.
func (i installed) hardened(t *testing.T) {
	var mask uint64
	for _, c := range needed {
		mask |= 1 << c
	}
	all := i.processes(t)
	if len(all) != 3 {
		t.Errorf("usher's processes are %q, want three", all)
	}
	for _, pid := range all {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		labtest.Must(t, err)
		if name, _, _ := strings.Cut(string(status), "\n"); !strings.HasPrefix(name, "Name:\tusher") {
			t.Errorf("process %s is called %s", pid, name)
		}
		for field, want := range map[string]string{
			"CapBnd": fmt.Sprintf("%016x", mask), "CapEff": fmt.Sprintf("%016x", mask), "CapPrm": fmt.Sprintf("%016x", mask),
			"NoNewPrivs": "1", "Seccomp": "2",
		} {
			if !strings.Contains(string(status), "\n"+field+":\t"+want+"\n") {
				t.Errorf("process %s: %s is not %s:\n%s", pid, field, want, status)
			}
		}
	}
	out := i.run(t, "systemd-analyze", "security", "--no-pager", "--threshold=40", "usher.service")
	t.Log(regexp.MustCompile(`Overall exposure.*`).FindString(out))
}

// reloads tries a good and a bad file, the way systemd does it.
func (i installed) reloads(t *testing.T) {
	i.write(t, "/etc/usher/web.hcl", strings.Replace(installedConf, "100", "120", 1))
	i.run(t, "systemctl", "reload", "usher")
	i.priority(t, 120)
	i.write(t, "/etc/usher/web.hcl", strings.Replace(installedConf, "100", "1200", 1))
	if out, err := i.Run(t.Context(), "systemctl", "reload", "usher"); err == nil {
		t.Errorf("systemd takes the reload of a bad file for a good one: %s", out)
	}
	i.priority(t, 120)
	if got := i.show(t, "ActiveState"); got != "active" {
		t.Errorf("after the reload of a bad file the service is %s", got)
	}
	i.write(t, "/etc/usher/web.hcl", installedConf)
	i.run(t, "systemctl", "reload", "usher")
	i.journal(t, `msg=started`, `must be 1 to 255, not 1200|1200`)
}

func (i installed) priority(t *testing.T, want int) {
	t.Helper()
	status, err := i.Status(t.Context())
	labtest.Must(t, err)
	if got := status.Instances[0].Priority; got != want {
		t.Errorf("the priority is %d, want %d", got, want)
	}
}

// journal waits for lines of the service in the journal, as regular expressions.
func (i installed) journal(t *testing.T, lines ...string) {
	t.Helper()
	for _, want := range lines {
		labtest.Must(t, lab.Until(t.Context(), "the journal has "+want, func() error {
			out := i.run(t, "journalctl", "--unit=usher", "--output=cat", "--no-pager")
			if !regexp.MustCompile(want).MatchString(out) {
				return fmt.Errorf("it has\n%s", out)
			}
			return nil
		}))
	}
}

// hangs stops the daemon: nothing feeds the watchdog, and systemd starts another.
func (i installed) hangs(t *testing.T) {
	hung, resigned := i.show(t, "MainPID"), i.resigned(t)
	i.run(t, "kill", "-STOP", hung)
	start := time.Now()
	i.replaced(t, hung)
	t.Logf("a hung daemon was replaced after %v", time.Since(start).Round(time.Second))
	i.journal(t, `Watchdog timeout \(limit 10s\)`)
	if got := i.resigned(t); got != resigned+1 {
		t.Errorf("when systemd aborts the service the VRRP process resigns %d times, want once", got-resigned)
	}
	i.up(t)
}

// replaced waits until the service runs with another main process.
func (i installed) replaced(t *testing.T, was string) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), "another process serves", func() error {
		pid, state := i.show(t, "MainPID"), i.show(t, "SubState")
		if pid == was || pid == "0" || state != "running" {
			return fmt.Errorf("it is process %s, %s", pid, state)
		}
		return nil
	}))
}

// resigned is how often a VRRP process has found its main process gone and resigned.
func (i installed) resigned(t *testing.T) int {
	t.Helper()
	return strings.Count(i.run(t, "journalctl", "--unit=usher", "--output=cat", "--no-pager"), "the main process is gone; all instances resign")
}

// mainKilled kills the main process alone: the VRRP process has the time to resign, and
// the VIP is gone before systemd starts another.
func (i installed) mainKilled(t *testing.T) {
	was, resigned := i.show(t, "MainPID"), i.resigned(t)
	start := time.Now()
	i.run(t, "kill", "-KILL", was)
	labtest.Must(t, i.AwaitVIP(t.Context(), false))
	t.Logf("the VIP of a killed main process was gone after %v", time.Since(start).Round(time.Millisecond))
	i.replaced(t, was)
	i.up(t)
	if got := i.resigned(t); got != resigned+1 {
		t.Errorf("the VRRP process of a main one that was killed resigned %d times, want once", got-resigned)
	}
}

// killed ends all of usher at once: what clears the VIPs is ExecStopPost. By signals, one
// after the other, the rest would have the time to see the end of the first and resign.
func (i installed) killed(t *testing.T) {
	was := i.show(t, "MainPID")
	labtest.Must(t, os.WriteFile(i.Path("/sys/fs/cgroup"+i.show(t, "ControlGroup")+"/cgroup.kill"), []byte("1"), 0))
	i.journal(t, `removed .*192\.168\.60\.200/32`)
	i.replaced(t, was)
	i.up(t)
}

// upgrade installs the next version: the old one stops, and the new one runs.
func (i installed) upgrade(t *testing.T) {
	was := i.show(t, "MainPID")
	labtest.Must(t, i.Install(t.Context(), suite.Root, versions[1]))
	i.replaced(t, was)
	i.up(t)
	if status, err := i.Status(t.Context()); err != nil || status.Version != versions[1] {
		t.Errorf("after the upgrade version %s runs (%v)", status.Version, err)
	}
}

// purge takes the package away with all that it brought and made.
func (i installed) purge(t *testing.T) {
	files := strings.Fields(i.run(t, "dpkg", "--listfiles", "usher"))
	group := i.show(t, "ControlGroup")
	i.run(t, "dpkg", "--purge", "--no-triggers", "--force-unsafe-io", "usher")
	for _, f := range append(files, "/var/lib/usher", "/run/usher", "/etc/systemd/system/multi-user.target.wants/usher.service", "/sys/fs/cgroup"+group) {
		if strings.Count(f, "/") < 3 && !strings.Contains(f, "usher") || f == "/etc/usher" {
			continue // a folder of others, and the one in which the administrator's own file is
		}
		if st, err := os.Lstat(i.Path(f)); err == nil && (!st.IsDir() || strings.Contains(f, "usher")) {
			t.Errorf("after the purge there is %s", f)
		}
	}
	if held, err := i.Holds(lab.VIP.String()); held || err != nil {
		t.Errorf("after the purge the VIP is there: %t, %v", held, err)
	}
	if b, err := os.ReadFile(i.Path("/etc/usher/web.hcl")); err != nil || len(b) == 0 {
		t.Errorf("the purge took the administrator's own file: %v", err)
	}
	if out, err := i.Run(t.Context(), "systemctl", "cat", "usher"); err == nil {
		t.Errorf("after the purge there is a unit:\n%s", out)
	}
}
