package ipvs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// site is the classic service: two directors that run a file of conf/examples,
// three web servers, and a client.
type site struct {
	*lab.Lab
	a, b *lab.Process
	webs []*lab.Process
	file string
	rips []string // real servers as the status names them
}

// newSite starts everything and waits until a is active and both directors have
// every server in.
func newSite(t *testing.T, forward string) *site {
	t.Helper()
	s := single(t, forward)
	s.startB(t)
	return s
}

// single is a site with director a alone.
func single(t *testing.T, forward string) *site {
	t.Helper()
	s := prepared(t, forward)
	s.startA(t)
	return s
}

// prepared is a site whose directors do not run yet.
func prepared(t *testing.T, forward string) *site {
	t.Helper()
	return served(t, suite.New(t, forward))
}

// served is a site in a lab, with its web servers.
func served(t *testing.T, l *lab.Lab) *site {
	t.Helper()
	forward := l.Forward
	s := &site{Lab: l, file: filepath.Join(suite.Root, "conf/examples", forward+".hcl")}
	var err error
	s.webs, err = s.Webs(t.Context())
	labtest.Must(t, err)
	port := 80
	if forward == "dr" || forward == "tun" {
		port = 9376
	}
	for _, rip := range lab.RIPs {
		s.rips = append(s.rips, fmt.Sprintf("%s:%d", rip, port))
	}
	return s
}

func (s *site) startA(t *testing.T) {
	t.Helper()
	s.a = labtest.Start(t, s.A, "-c", s.file, "--var", "priority=150")
	labtest.Await(t, s.A, "web", "active")
	labtest.Must(t, s.A.AwaitVIP(t.Context(), true))
	labtest.Must(t, s.A.AwaitServers(t.Context(), "web", "up", s.rips...))
}

func (s *site) startB(t *testing.T) {
	t.Helper()
	s.b = labtest.Start(t, s.B, "-c", s.file, "--var", "priority=100")
	labtest.Await(t, s.B, "web", "backup")
	labtest.Must(t, s.B.AwaitServers(t.Context(), "web", "up", s.rips...))
}

// answers asks the service once from each of the client's addresses and counts who
// answered. A request without an answer fails the test.
func (s *site) answers(t *testing.T) map[string]int {
	t.Helper()
	count := make(map[string]int)
	// One curl for all: starting a program takes long in an emulated machine.
	var args []string
	for i := range lab.Clients {
		if i > 0 {
			args = append(args, "--next")
		}
		args = append(args, "-sS", "--max-time", "10", "--interface", lab.ClientAddr(i).String(), "http://"+lab.Service.String()+"/")
	}
	out := labtest.Run(t, s.Client, append([]string{"curl"}, args...)...)
	for name := range strings.FieldsSeq(out) {
		count[name]++
	}
	return count
}

// destinations reads a director's table with ipvsadm: for the service the lines
// "address forward weight" of its servers, sorted.
func destinations(t *testing.T, n *lab.Node, service string) []string {
	t.Helper()
	var all []string
	in := false
	for line := range strings.Lines(labtest.Run(t, n, "ipvsadm", "-Ln")) {
		f := strings.Fields(line)
		switch {
		case len(f) < 2:
		case f[0] == "TCP" || f[0] == "UDP" || f[0] == "FWM":
			in = f[1] == service
		case f[0] == "->" && in && len(f) >= 4:
			all = append(all, fmt.Sprintf("%s %s %s", f[1], strings.ToLower(f[2]), f[3]))
		}
	}
	slices.Sort(all)
	return all
}

// words are ipvsadm's for the forward methods.
var words = map[string]string{"dr": "route", "nat": "masq", "tun": "tunnel", "fullnat": "masq"}

// expectTable checks that ipvsadm shows what the director's status says.
func (s *site) expectTable(t *testing.T, n *lab.Node) {
	t.Helper()
	// A change between the two looks is no difference: look until both agree.
	err := lab.Until(t.Context(), "ipvsadm -Ln on "+n.Name+" shows what status says", func() error {
		status, err := n.Status(t.Context())
		if err != nil {
			return err
		}
		var want []string
		for _, rs := range status.VirtualServers[0].RealServers {
			if rs.State == "up" {
				want = append(want, fmt.Sprintf("%s %s %d", rs.Address, words[rs.ForwardMethod], rs.EffectiveWeight))
			}
		}
		slices.Sort(want)
		if have := destinations(t, n, lab.Service.String()); !slices.Equal(have, want) {
			return fmt.Errorf("status says %q, the kernel has %q", want, have)
		}
		return nil
	})
	labtest.Must(t, err)
}
