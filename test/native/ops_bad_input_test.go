package native

import (
	"fmt"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// machine is what usher could change of a node.
func machine(t *testing.T, n *lab.Node) string {
	t.Helper()
	return labtest.Run(t, n, "sh", "-c", "ip -br address; ip rule; ip -4 route show table all; nft list ruleset; sysctl -a 2>/dev/null | grep -E '^net.ipv[46].(conf|vs|ip_forward)'")
}

// refused checks that a process ends by itself, with exit status 1 and a message that
// has all those words, and that the node is as it was.
func refused(t *testing.T, n *lab.Node, before string, p *lab.Process, words ...string) {
	t.Helper()
	if code := p.ExitCode(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	said := p.Tail(30)
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("the message lacks %q:\n%s", w, said)
		}
	}
	if now := machine(t, n); now != before {
		t.Errorf("something was changed: the machine was\n%s\nand is\n%s", before, now)
	}
}

func TestMissingInterface(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", strings.Replace(fmt.Sprintf(router, 100), `"eth0"`, `"eth9"`, 1))
	before := machine(t, l.A)
	p, err := l.A.StartUsher("run", "--strict", "-c", file)
	labtest.Must(t, err)
	refused(t, l.A, before, p, "eth9")
}

func TestControlSocketServed(t *testing.T) {
	l := suite.New(t, "")
	first := run(t, l.A, 100)
	labtest.Await(t, l.A, "web", "active")
	labtest.Must(t, l.A.AwaitVIP(t.Context(), true))
	before := machine(t, l.A)
	second, err := l.A.StartUsher("run", "-c", l.A.Dir+"/usher.hcl")
	labtest.Must(t, err)
	refused(t, l.A, before, second, "usher.sock")
	if state := l.A.State(t.Context(), "web"); state != "active" {
		t.Errorf("the first one is %q", state)
	}
	labtest.Must(t, first.Stop())
}

func TestNotRoot(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 100))
	before := machine(t, l.A)
	p, err := l.A.Start("usher", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", l.Usher, "run", "-c", file)
	labtest.Must(t, err)
	refused(t, l.A, before, p, "root")
}

// Without IPVS in the kernel, or without the right to use it, a file with a
// virtual server does not run.
func TestNoIPVS(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 100)+`
virtual_server "web" {
  address        = "192.168.60.200:80"
  forward_method = "nat"
  real_server "10.1.2.3:80" {}
}
`)
	args := []string{l.Usher, "run", "-c", file}
	if lab.HasIPVS() {
		args = append([]string{"setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"}, args...)
	}
	before := machine(t, l.A)
	p, err := l.A.Start("usher", args...)
	labtest.Must(t, err)
	refused(t, l.A, before, p, "IPVS")
}
