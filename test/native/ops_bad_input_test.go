package native

import (
	"fmt"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// refused starts `usher run` with a file and checks that it ends by itself, with
// exit status 1 and a message that has all those words.
func refused(t *testing.T, n *lab.Node, p *lab.Process, words ...string) {
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
	if held, err := n.Holds(lab.VIP.String()); held || err != nil {
		t.Errorf("the VIP is there: %t, %v", held, err)
	}
}

func TestMissingInterface(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", strings.Replace(fmt.Sprintf(router, 100), `"eth0"`, `"eth9"`, 1))
	p, err := l.A.StartUsher("run", "-c", file)
	labtest.Must(t, err)
	refused(t, l.A, p, "eth9")
}

func TestControlSocketServed(t *testing.T) {
	l := suite.New(t, "")
	first := run(t, l.A, 100)
	second, err := l.A.StartUsher("run", "-c", l.A.Dir+"/usher.hcl")
	labtest.Must(t, err)
	if code := second.ExitCode(); code != 1 {
		t.Errorf("exit status %d, want 1", code)
	}
	if said := second.Tail(5); !strings.Contains(said, "usher.sock") {
		t.Errorf("the message does not name the socket:\n%s", said)
	}
	labtest.Await(t, l.A, "web", "active") // the first one goes on
	labtest.Must(t, first.Stop())
}

func TestNotRoot(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(router, 100))
	p, err := l.A.Start("usher", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", l.Usher, "run", "-c", file)
	labtest.Must(t, err)
	refused(t, l.A, p, "root")
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
	p, err := l.A.Start("usher", args...)
	labtest.Must(t, err)
	refused(t, l.A, p, "IPVS")
}
