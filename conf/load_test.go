package conf

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"usher/director"
	"usher/director/ipvs"
	"usher/healthcheck"
	"usher/vrrp"
)

var plain = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

// write puts files into a folder of their own.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func good(t *testing.T, paths []string, vars map[string]string) *Config {
	t.Helper()
	c, diags := Load(paths, vars)
	if len(diags) > 0 {
		t.Fatalf("%s", diags.Text(false))
	}
	return c
}

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	return good(t, []string{write(t, map[string]string{"a.hcl": text})}, nil)
}

// TestDesign reads the configuration that the design pins, key by key.
func TestDesign(t *testing.T) {
	c := good(t, []string{"testdata/design.hcl"}, map[string]string{"priority": "150"})

	yes := true
	wantGlobal := Global{
		RouterID: "lb1", State: "/var/lib/usher", Control: "/run/usher/usher.sock", HTTP: "127.0.0.1:9765",
		Log: Log{Level: "info", Format: "text"}, OnStop: "clean", ManageSysctls: true,
		IPVS: IPVS{
			TCPTimeout: 15 * time.Minute, TCPFinTimeout: 2 * time.Minute, UDPTimeout: 5 * time.Minute,
			ExpireNodestConn: &yes, ExpireQuiescentTemplate: &yes,
			Sync: &Sync{Interface: "eth0", ID: 51, Instance: "web"},
		},
	}
	if diff := cmp.Diff(wantGlobal, c.Global, plain); diff != "" {
		t.Errorf("global (-want +got):\n%s", diff)
	}

	wantWeb := Instance{
		Config: vrrp.Config{
			Name: "web", Interface: "eth0", VRID: 51, Priority: 150, Version: 3, Interval: time.Second, DownAdverts: 3,
			Addresses: []vrrp.Address{{Prefix: netip.MustParsePrefix("192.168.60.200/32")}},
			Lease:     2 * time.Second, Preempt: true, Accept: true,
			Source4:  netip.MustParseAddr("192.168.60.2"),
			Unicast:  &vrrp.Unicast{TTL: 255, Peers: []vrrp.Peer{{Address: netip.MustParseAddr("192.168.60.3")}}},
			Announce: vrrp.Announce{Repeat: 5, Delay: 5 * time.Second, Refresh: time.Minute},
			Track: []vrrp.Track{
				{Kind: vrrp.TrackInterface, Name: "eth1"},
				{Kind: vrrp.TrackScript, Name: "haproxy", Command: []string{"/usr/bin/pgrep", "haproxy"}, Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 2, Weight: -30, User: "nobody"},
				{Kind: vrrp.TrackFile, Name: "/run/usher/weight", Weight: 1},
				{Kind: vrrp.TrackProcess, Name: "haproxy", Quorum: 1},
				{Kind: vrrp.TrackVirtualServer, Name: "web"},
			},
		},
		Alerts: Alerts{Notify: []Notify{{Command: []string{"/etc/usher/notify"}, On: []string{"active", "backup", "fault", "stop"}, Timeout: 10 * time.Second}}},
	}
	if diff := cmp.Diff(wantWeb, c.Instances[0], plain); diff != "" {
		t.Errorf("instance web (-want +got):\n%s", diff)
	}
	if old := c.Instances[1]; old.Version != 2 || old.Password != "secret" || old.Priority != 100 {
		t.Errorf("instance old: %+v", old)
	}
	if diff := cmp.Diff([]Group{{Group: vrrp.Group{Name: "edge", Instances: []string{"web", "old"}}}}, c.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}

	server := func(addr string) director.RealServer {
		return director.RealServer{Address: netip.MustParseAddrPort(addr), Weight: 1, Forward: director.NAT, Checked: true}
	}
	sorry := server("10.9.9.9:80")
	sorry.Checked = false
	wantServer := director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{{Protocol: ipvs.TCP, Address: netip.MustParseAddr("192.168.60.200"), Port: 9376}}, Address: "192.168.60.200:9376",
		Service: ipvs.Service{Scheduler: "rr", Flags: ipvs.Persistent, Persistence: 600, Netmask: 32}, Forward: director.NAT,
		Quorum: 1, OnFailure: director.Remove, DrainTimeout: time.Minute,
		Sorry: []director.RealServer{sorry},
		Real:  []director.RealServer{server("10.1.2.9:80"), server("10.1.2.3:80"), server("10.1.4.5:80"), server("10.1.3.8:80")},
	}
	if diff := cmp.Diff(wantServer, c.VirtualServers[0].VirtualServer, plain, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("virtual server (-want +got):\n%s", diff)
	}
	wantCheck := healthcheck.Check{
		Type: healthcheck.TypeHTTP, Address: netip.MustParseAddrPort("10.1.4.5:80"), Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3, SlowWeight: 50,
		HTTP: &healthcheck.HTTP{Method: "GET", Paths: []string{"/healthz"}, Version: "1.1", ExpectStatus: []healthcheck.StatusRange{{From: 200, To: 299}}, ExpectBody: "ok"},
	}
	targets := c.Targets()
	if len(targets) != 4 {
		t.Fatalf("%d targets, not one for each real server", len(targets))
	}
	if want := (healthcheck.ID{VirtualServer: "web", RealServer: netip.MustParseAddrPort("10.1.4.5:80")}); targets[2].ID != want {
		t.Errorf("target %v, not %v", targets[2].ID, want)
	}
	if diff := cmp.Diff([]healthcheck.Check{wantCheck}, targets[2].Checks, plain); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
}

// TestFolder: the files of a folder are one configuration, read in name order.
func TestFolder(t *testing.T) {
	dir := write(t, map[string]string{
		"20-web.hcl":   `virtual_server "web" {` + "\n" + `address = "${local.vip}:80"` + "\n" + `real_server "10.0.0.1:80" {}` + "\n}\n",
		"10-local.hcl": `locals { vip = cidrhost(local.net, 7) }` + "\n",
		"30-net.hcl":   `locals { net = "192.0.2.0/24" }` + "\n" + `virtual_server "db" {` + "\n" + `address = "${local.vip}:81"` + "\n" + `real_server "10.0.0.1:80" {}` + "\n}\n",
		"ignored.txt":  "not HCL at all {",
		".hidden.hcl":  "not HCL at all {",
	})
	c := good(t, []string{dir}, nil)
	if len(c.VirtualServers) != 2 || c.VirtualServers[0].Name != "web" || c.VirtualServers[0].Address != "192.0.2.7:80" {
		t.Errorf("%+v", c.VirtualServers)
	}
	if len(c.Files) != 3 || filepath.Base(c.Files[0]) != "10-local.hcl" {
		t.Errorf("files: %v", c.Files)
	}
	extra := filepath.Join(write(t, map[string]string{"more.hcl": "vrrp_sync_group \"x\" {\n instances = [\"y\"]\n}\n"}), "more.hcl")
	if _, diags := Load([]string{dir, extra}, nil); !diags.HasErrors() || diags[0].Range.Filename != extra {
		t.Errorf("the second path was not read: %v", diags)
	}
}

func TestPaths(t *testing.T) {
	empty := t.TempDir()
	file := filepath.Join(write(t, map[string]string{"a.hcl": ""}), "a.hcl")
	for _, tc := range []struct {
		paths []string
		want  string
	}{
		{nil, "No configuration given"},
		{[]string{"no/such/file.hcl"}, "Configuration not found"},
		{[]string{empty}, "Folder without configuration"},
		{[]string{file, file}, "Configuration given twice"},
		{[]string{filepath.Dir(file), file}, "Configuration given twice"},
	} {
		_, diags := Load(tc.paths, nil)
		if len(diags) != 1 || diags[0].Summary != tc.want || diags[0].Range != nil {
			t.Errorf("%v: %v, not %q", tc.paths, diags, tc.want)
		}
	}
}

// TestSecretFiles: passwords come from files beside the configuration, and never
// into messages.
func TestSecretFiles(t *testing.T) {
	const instance = `
vrrp_instance "old" {
  interface         = "eth0"
  virtual_router_id = 52
  version           = VERSION
  virtual_addresses = ["192.168.60.201/32"]
  authentication {
    type          = "pass"
    KEY
  }
}
`
	dir := write(t, map[string]string{"pass": "hunter2\n", "a.hcl": strings.NewReplacer("VERSION", "2", "KEY", `password_file = "pass"`).Replace(instance)})
	c := good(t, []string{dir}, nil)
	if c.Instances[0].Password != "hunter2" {
		t.Errorf("password %q", c.Instances[0].Password)
	}
	if len(c.Files) != 2 || c.Files[1] != filepath.Join(dir, "pass") {
		t.Errorf("files to watch: %v", c.Files)
	}
	dir = write(t, map[string]string{"pass": "\n", "a.hcl": strings.NewReplacer("VERSION", "2", "KEY", `password_file = "pass"`).Replace(instance)})
	if _, diags := Load([]string{dir}, nil); !diags.HasErrors() || !strings.Contains(diags.Text(false), "pass holds no secret") {
		t.Errorf("a file with nothing in it, which would mean no authentication: %s", diags.Text(false))
	}
	for _, key := range []string{`password = "much too long"`, `password = ["much too long"]`, "password = var.p\n  }\n}\nvariable \"p\" {\n  default   = \"much too long\"\n  sensitive = true\n  type = number\n }\nlocals {\n a = {"} {
		dir = write(t, map[string]string{"a.hcl": strings.NewReplacer("VERSION", "2", "KEY", key).Replace(instance)})
		_, diags := Load([]string{dir}, nil)
		text, err := json.Marshal(diags)
		if err != nil {
			t.Fatal(err)
		}
		if !diags.HasErrors() || strings.Contains(diags.Text(true)+string(text), "much") {
			t.Errorf("%s", diags.Text(false))
		}
	}
}

// TestMailAddresses: what no mail server would take is found before the first alert.
func TestMailAddresses(t *testing.T) {
	for _, tt := range []struct{ server, from, to, want string }{
		{"mail.example.org", "usher@example.org", "ops@example.org", ""},
		{"[2001:db8::1]:587", "Director <usher@example.org>", "root", ""},
		{"2001:db8::1", "usher@example.org", "ops@example.org", ""},
		{"mail.example.org:smtp", "usher@example.org", "ops@example.org", "Not a port"},
		{"mail.example.org", "usher@example.org", "ops@example.org, boss@example.org", "Not a mail address"},
		{"mail.example.org", "Director usher@example.org", "ops@example.org", "Not a mail address"},
		{"mail.example.org", "usher@example.org", "", "Not a mail address"},
	} {
		text := fmt.Sprintf("global {\n  email {\n    server = %q\n    from = %q\n    to = [%q]\n  }\n}\n", tt.server, tt.from, tt.to)
		_, diags := LoadText("usher.hcl", []byte(text), nil)
		if diags.HasErrors() != (tt.want != "") || !strings.Contains(diags.Text(false), tt.want) {
			t.Errorf("%s, from %q to %q: %s", tt.server, tt.from, tt.to, diags.Text(false))
		}
	}
}

func TestEverything(t *testing.T) {
	t.Setenv("USHER_VAR_secret", "from-the-environment")
	c := good(t, []string{"testdata/everything.hcl"}, nil)
	if got := c.Global.Webhooks[0].Secret; got != "from-the-environment" {
		t.Errorf("secret %q", got)
	}
	if got := c.Global.Emails[0].Server; got != "mail.example.org:25" {
		t.Errorf("mail server %q", got)
	}
	if got := c.Global.Remote.CertFile; !filepath.IsAbs(got) || !strings.HasSuffix(got, "/testdata/server.pem") {
		t.Errorf("paths are relative to the file that names them, not %q", got)
	}
	if got := c.Instances[0].Alerts.Webhooks[0].On; !cmp.Equal(got, instanceWords) {
		t.Errorf("on: %v", got)
	}
}

// TestIPVSDefaults: what a director needs is on, unless the file or the machine's
// owner says otherwise.
func TestIPVSDefaults(t *testing.T) {
	const server = "virtual_server \"web\" {\n address = \"192.0.2.1:80\"\n real_server \"10.0.0.1:80\" {}\n}\n"
	for _, tc := range []struct {
		global string
		want   string
	}{
		{"", "true true"},
		{"global {\n ipvs { expire_nodest_conn = false }\n}\n", "false true"},
		{"global {\n manage_sysctls = false\n}\n", "kernel kernel"},
		{"global {\n manage_sysctls = false\n ipvs { expire_quiescent_template = true }\n}\n", "kernel true"},
	} {
		show := func(b *bool) string {
			if b == nil {
				return "kernel"
			}
			return strconv.FormatBool(*b)
		}
		s := loadText(t, tc.global+server).DirectorSettings()
		if got := show(s.ExpireNodestConn) + " " + show(s.ExpireQuiescentTemplate); got != tc.want {
			t.Errorf("%q: %s, not %s", tc.global, got, tc.want)
		}
	}
	if s := loadText(t, "global {}\n").DirectorSettings(); s.ExpireNodestConn != nil {
		t.Error("settings of IPVS without a virtual server")
	}
}
