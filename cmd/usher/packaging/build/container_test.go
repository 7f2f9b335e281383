package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The one instance of a container: a peer of nobody on a link of its own.
const containerConf = `vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  advert_interval   = "100ms"
  virtual_addresses = ["192.168.60.200/32"]
}
`

const containerPool = `virtual_server "web" {
  address = "192.168.60.200:80"
  health_check "tcp" {}
  real_server "10.1.2.3:80" {}
}
`

// mount is one of an OCI runtime's configuration.
type mount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type"`
	Source      string   `json:"source"`
	Options     []string `json:"options,omitempty"`
}

// bundle makes an OCI bundle with usher's program and a configuration: a read-only
// root, capabilities and a network namespace as given ("" for this machine's own), and
// as container engines have it no settings of the kernel to write.
func bundle(t *testing.T, conf, netns string, capabilities ...string) string {
	t.Helper()
	return commandBundle(t, nil, conf, netns, capabilities...)
}

// commandBundle is a bundle with other arguments than the image's own.
func commandBundle(t *testing.T, args []string, conf, netns string, capabilities ...string) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "rootfs")
	for _, d := range []string{"usr/bin", "etc/usher", "proc", "dev", "sys", "run", "var/lib"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	image := containerfile(t)
	for _, c := range image.copied {
		target := filepath.Join(root, c[1])
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(filepath.Join(first.image, c[0]), target); err != nil {
			t.Fatalf("the Containerfile copies what nothing makes: %v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "etc/usher/usher.hcl"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	if args == nil {
		args = image.args[1:]
	}
	var namespaces []map[string]string
	for _, n := range []string{"pid", "ipc", "uts", "mount"} {
		namespaces = append(namespaces, map[string]string{"type": n})
	}
	if netns != "" {
		namespaces = append(namespaces, map[string]string{"type": "network", "path": "/run/netns/" + netns})
	}
	config, err := json.Marshal(map[string]any{
		"ociVersion": "1.0.0",
		"process": map[string]any{
			"args": append(image.args[:1:1], args...), "env": image.env, "cwd": "/", "noNewPrivileges": true,
			"user":         map[string]int{"uid": 0, "gid": 0},
			"capabilities": map[string][]string{"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
		},
		"root": map[string]any{"path": "rootfs", "readonly": true},
		"mounts": []mount{
			{"/proc", "proc", "proc", nil},
			{"/dev", "tmpfs", "tmpfs", []string{"mode=755"}},
			{"/sys", "sysfs", "sysfs", []string{"ro"}},
			{"/run", "tmpfs", "tmpfs", []string{"mode=755"}},
			{"/var/lib", "tmpfs", "tmpfs", []string{"mode=755"}},
		},
		"linux": map[string]any{
			"namespaces":    namespaces,
			"readonlyPaths": []string{"/proc/sys"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// image is what a Containerfile makes.
type image struct {
	copied    [][2]string // from the folder that is built, to the image
	env, args []string
}

// containerfile reads the one that is delivered, without an engine that would build it.
func containerfile(t *testing.T) image {
	t.Helper()
	text, err := os.ReadFile("cmd/usher/packaging/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	var i image
	from := ""
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "#", "VOLUME":
		case "FROM":
			from = rest
		case "COPY":
			f := strings.Fields(rest)
			if len(f) != 2 {
				t.Fatalf("COPY %s", rest)
			}
			i.copied = append(i.copied, [2]string(f))
		case "ENV":
			i.env = append(i.env, rest)
		case "ENTRYPOINT", "CMD":
			var args []string
			if err := json.Unmarshal([]byte(rest), &args); err != nil {
				t.Fatalf("%s %s: %v", word, rest, err)
			}
			i.args = append(i.args, args...)
		default:
			t.Fatalf("the Containerfile has %q, of which this test knows nothing", line)
		}
	}
	if from != "scratch" || len(i.copied) == 0 || len(i.args) == 0 {
		t.Fatalf("from %q: %+v", from, i)
	}
	return i
}

// container prepares crun's run of a bundle. crun refuses some arrangements of
// control groups, and makes none here: it sees a plain one.
func container(t *testing.T, dir string) *exec.Cmd {
	return exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c",
		`mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec crun --root "$0/state" --cgroup-manager=disabled run --bundle "$0" "$1"`, dir, filepath.Base(t.Name())+fmt.Sprint(os.Getpid()))
}

// network makes a network namespace with eth0, which has the address 192.168.60.2.
func network(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("usher-container-%d", os.Getpid())
	tool(t, "ip", "netns", "add", name)
	t.Cleanup(func() { tool(t, "ip", "netns", "del", name) })
	for _, line := range []string{"link add eth0 type veth peer name peer", "address add 192.168.60.2/24 dev eth0", "link set lo up", "link set peer up", "link set eth0 up"} {
		tool(t, append([]string{"ip", "-n", name}, strings.Fields(line)...)...)
	}
	return name
}

// TestContainer: in a container usher needs NET_ADMIN and NET_RAW and nothing else,
// and says what it lacks.
func TestContainer(t *testing.T) {
	netns := network(t)
	t.Run("runs", func(t *testing.T) {
		holds(t, netns, container(t, bundle(t, containerConf, netns, "CAP_NET_ADMIN", "CAP_NET_RAW")), nil)
	})
	refusals := []struct {
		name         string
		conf         string
		capabilities []string
		want         string
	}{
		{"no NET_RAW", containerConf, []string{"CAP_NET_ADMIN"},
			"usher: not permitted: usher lacks CAP_NET_RAW (to send VRRP advertisements); run it as root, or give it what it lacks (systemd: AmbientCapabilities=CAP_NET_RAW, docker: --cap-add=NET_RAW)\n"},
		{"no NET_ADMIN", containerConf, []string{"CAP_NET_RAW"},
			"usher: not permitted: usher lacks CAP_NET_ADMIN (to hold virtual addresses); run it as root, or give it what it lacks (systemd: AmbientCapabilities=CAP_NET_ADMIN, docker: --cap-add=NET_ADMIN)\n"},
		{"neither", containerConf, nil,
			"usher: not permitted: usher lacks CAP_NET_ADMIN (to hold virtual addresses) and CAP_NET_RAW (to send VRRP advertisements); run it as root, or give it what it lacks (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW, docker: --cap-add=NET_ADMIN --cap-add=NET_RAW)\n"},
	}
	// A container cannot load a module. Where the kernel has loaded it, it need not.
	if _, err := os.Stat("/proc/net/ip_vs"); err != nil {
		refusals = append(refusals, refusals[0])
		last := &refusals[len(refusals)-1]
		last.name, last.conf, last.capabilities = "no IPVS", containerConf+containerPool, []string{"CAP_NET_ADMIN", "CAP_NET_RAW"}
		last.want = "usher: virtual servers are configured: ipvs: this kernel has no IPVS (module ip_vs), and there is no modprobe here to load it: run \"modprobe ip_vs\" on the host\n"
	}
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			out, err := container(t, bundle(t, c.conf, netns, c.capabilities...)).CombinedOutput()
			if err == nil || string(out) != c.want {
				t.Errorf("it ends with %v and says\n%s\nwant\n%s", err, out, c.want)
			}
		})
	}
}

// TestContainerCertificates: an https check from within the image trusts the
// authorities of the image's bundle, and those alone.
func TestContainerCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	conf := `virtual_server "web" {
  address        = "192.168.60.200:80"
  forward_method = "nat"
  health_check "https" {
    expect_status = ["404"]
    fall          = 1
    rise          = 1
  }
  real_server "` + address + `" {}
}
`
	states := func(t *testing.T, authority []byte) string {
		dir := commandBundle(t, []string{"check", "-c", "/etc/usher", "--for", "2s"}, conf, "")
		if authority != nil {
			file := filepath.Join(dir, "rootfs/etc/ssl/certs/ca-certificates.crt")
			if err := os.Remove(file); err != nil { // a link to the image's own
				t.Fatal(err)
			}
			if err := os.WriteFile(file, authority, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := container(t, dir).CombinedOutput()
		if err != nil {
			t.Errorf("usher check: %v", err)
		}
		return string(out)
	}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if got := states(t, own); !strings.Contains(got, `"state":"up"`) {
		t.Errorf("with the server's authority in the bundle:\n%s", got)
	}
	if got := states(t, nil); !strings.Contains(got, `"state":"down"`) || !strings.Contains(got, "unknown authority") {
		t.Errorf("with the image's bundle:\n%s", got)
	}
	public, err := os.ReadFile(filepath.Join(first.image, "ca-certificates.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(public, []byte("BEGIN CERTIFICATE")); n < 50 {
		t.Errorf("the image's bundle has %d authorities", n)
	}
}

// holds runs a container until it holds the VIP, does something then, and stops it.
func holds(t *testing.T, netns string, cmd *exec.Cmd, then func()) {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// One that never says what is awaited ends with all that keeps its output open.
	bound := time.AfterFunc(2*time.Minute, func() {
		for _, p := range below(t, cmd.Process.Pid) {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	})
	defer bound.Stop()
	var log bytes.Buffer
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "backup -> active") {
		log.WriteString(lines.Text() + "\n")
	}
	has := func() bool {
		return strings.Contains(tool(t, "ip", "-n", netns, "-4", "address", "show", "dev", "eth0"), "192.168.60.200/32")
	}
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for held := has(); !held; held = has() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the VIP is not there:\n%s", log.String())
		}
	}
	if then != nil {
		then()
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		log.WriteString(lines.Text() + "\n")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped, the container ends with %v:\n%s", err, log.String())
	}
	if has() {
		t.Error("the container left the VIP")
	}
}
