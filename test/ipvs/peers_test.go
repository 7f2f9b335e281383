package ipvs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// peerAddrs are the directors' addresses in the network of the real servers.
var peerAddrs = map[string]string{"a": "10.1.0.2", "b": "10.1.0.3"}

// writePeers writes the configuration of both directors as members of a group with a key.
func (s *site) writePeers(t *testing.T, n *lab.Node, key, old string) {
	t.Helper()
	text, err := os.ReadFile(s.file)
	labtest.Must(t, err)
	config := strings.ReplaceAll(string(text), `persistence    = "600s"`, "") + fmt.Sprintf(`
peers {
  name   = %q
  listen = %q
  join   = ["10.1.0.2", "10.1.0.3"]
  key    = %q
%s}
`, n.Name, peerAddrs[n.Name], key, old)
	labtest.File(t, n, "usher.hcl", config)
}

// startPeer starts a director of a group.
func (s *site) startPeer(t *testing.T, n *lab.Node) *lab.Process {
	t.Helper()
	priority := map[string]string{"a": "priority=150", "b": "priority=100"}[n.Name]
	p := labtest.Start(t, n, "-c", n.Dir+"/usher.hcl", "--var", priority)
	labtest.Await(t, n, "web", map[string]string{"a": "active", "b": "backup"}[n.Name])
	return p
}

// shared steers a server, and fails where the other director does not have it when the
// answer says so. On a machine that is busy the answer may say that it is not heard in
// time: then it is waited for.
func (s *site) shared(t *testing.T, from, to *lab.Node, verb, rip, mode string, more ...string) {
	t.Helper()
	out, err := from.Usher(t.Context(), append([]string{verb, "web", rip}, more...)...)
	labtest.Must(t, err)
	has := func() error {
		status, err := to.Status(t.Context())
		if err != nil {
			return err
		}
		for _, rs := range status.VirtualServers[0].RealServers {
			if rs.Address == rip && (mode == "" && rs.Override == nil || rs.Override != nil && rs.Override.Mode == mode) {
				return nil
			}
		}
		return fmt.Errorf("it has %+v", status.VirtualServers[0].RealServers)
	}
	switch {
	case strings.Contains(out, "; "+to.Name+" has it, too"):
		labtest.Must(t, has())
	case strings.Contains(out, "; "+to.Name+" does not have it yet: "):
		t.Logf("%s", out)
		labtest.Must(t, lab.Until(t.Context(), to.Name+" has what was said on "+from.Name, has))
	default:
		t.Errorf("%s: usher %s answers %q", from.Name, verb, out)
	}
}

// order steers a server, and fails where the answer does not have these words.
func (s *site) order(t *testing.T, n *lab.Node, words string, args ...string) {
	t.Helper()
	begin := time.Now()
	out, err := n.Usher(t.Context(), args...)
	labtest.Must(t, err)
	if !strings.Contains(out, words) {
		t.Errorf("%s: usher %s answers %q, want %q", n.Name, strings.Join(args, " "), out, words)
	}
	t.Logf("%s: usher %s took %v", n.Name, strings.Join(args, " "), time.Since(begin).Round(time.Millisecond))
}

// without has every client connect once, and fails where a server answers that may not.
func (s *site) without(t *testing.T, when, rip string) {
	t.Helper()
	count := s.answers(t)
	if n := count[s.nameOf(rip)]; n > 0 || len(count) != 2 {
		t.Errorf("%s: %v, though %s (%s) is drained", when, count, rip, s.nameOf(rip))
	}
}

// peersRounds is how often TestPeers has each director killed.
const peersRounds = 1

// TestPeers: what is drained on the active director, which is killed at that moment, gets
// not one new connection of the one that takes over; nor of one that was down while it was
// drained, and takes over when it starts. The group has a new key without a gap, a link
// that is cut keeps nobody waiting for more than a second, foreign packets change nothing, and
// where the two differ is told.
func TestPeers(t *testing.T) {
	s := prepared(t, "nat")
	const first, second = "the first key of this group, 32b", "the second key of this group, 32"
	for _, n := range s.Directors() {
		s.writePeers(t, n, first, "")
	}
	a := s.startPeer(t, s.A)
	s.startPeer(t, s.B)
	for _, n := range s.Directors() {
		labtest.Must(t, n.AwaitServers(t.Context(), "web", "up", s.rips...))
	}
	for round := range peersRounds {
		one, two := s.rips[round%3], s.rips[(round+1)%3]
		s.shared(t, s.A, s.B, "drain", one, "drain")
		labtest.Must(t, a.Kill())
		labtest.Await(t, s.B, "web", "active")
		labtest.Must(t, s.B.AwaitVIP(t.Context(), true))
		s.without(t, "a is killed", one)

		s.order(t, s.B, "a does not have it yet", "enable", "web", one)
		s.order(t, s.B, "a does not have it yet", "drain", "web", two)
		a = s.startPeer(t, s.A)
		labtest.Must(t, s.A.AwaitVIP(t.Context(), true))
		labtest.Must(t, lab.Until(t.Context(), "the others are in on a", func() error {
			if have := destinations(t, s.A, lab.Service.String()); len(have) != 2 {
				return fmt.Errorf("it has %q", have)
			}
			return nil
		}))
		s.without(t, "a was down meanwhile", two)
		s.shared(t, s.A, s.B, "enable", two, "")
		for _, n := range s.Directors() {
			labtest.Must(t, n.AwaitServers(t.Context(), "web", "up", s.rips...))
		}
	}

	said := func(when string) {
		t.Helper()
		t.Log(when)
		s.shared(t, s.A, s.B, "weight", s.rips[0], "weight", "7")
		s.shared(t, s.B, s.A, "enable", s.rips[0], "")
	}
	for _, n := range s.Directors() {
		s.writePeers(t, n, second, fmt.Sprintf("  old_key = %q\n", first))
		_, err := n.Usher(t.Context(), "reload")
		labtest.Must(t, err)
		said(n.Name + " has the new key, too")
	}
	for _, n := range s.Directors() {
		s.writePeers(t, n, second, "")
		_, err := n.Usher(t.Context(), "reload")
		labtest.Must(t, err)
		said(n.Name + " has the new key alone")
	}

	labtest.Run(t, s.B, "bash", "-c", "echo hello > /dev/udp/10.1.0.2/7946; echo hello > /dev/tcp/10.1.0.2/7946")
	labtest.Must(t, lab.Until(t.Context(), "a tells of it", func() error {
		if !strings.Contains(a.Tail(50), "not encrypted with our key") {
			return fmt.Errorf("its log is\n%s", a.Tail(10))
		}
		return nil
	}))
	said("after foreign packets")

	labtest.Run(t, s.B, "ip", "route", "add", "blackhole", "10.1.0.2/32")
	begin := time.Now()
	s.order(t, s.A, "b does not have it yet: ", "drain", "web", s.rips[0])
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("a cut link keeps a command waiting for %v", took)
	}
	labtest.Run(t, s.B, "ip", "route", "delete", "blackhole", "10.1.0.2/32")
	labtest.Must(t, lab.Until(t.Context(), "b has what was said while the link was cut", func() error {
		status, err := s.B.Status(t.Context())
		if err != nil {
			return err
		}
		for _, rs := range status.VirtualServers[0].RealServers {
			if rs.Address == s.rips[0] && rs.Override != nil && strings.HasSuffix(rs.Override.By, " on a") {
				return nil
			}
		}
		return fmt.Errorf("it has %+v", status.VirtualServers[0].RealServers)
	}))
	s.differs(t)
}
