package ipvs

import (
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// The main job with each forward method: every server answers, a dead one is out
// and comes back, and a dead director is replaced.
func TestForward(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"nat", "dr", "tun"} {
		t.Run(forward, func(t *testing.T) {
			s := newSite(t, forward)
			s.everyServerAnswers(t)
			s.expectTable(t, s.A)
			s.expectTable(t, s.B)
			s.serverDiesAndReturns(t)
			s.activeIsKilled(t)
		})
	}
}

func (s *site) everyServerAnswers(t *testing.T) {
	t.Helper()
	got := s.answers(t)
	for _, rs := range s.Real {
		// Round robin over as many clients as there are: a third each.
		if got[rs.Name] != lab.Clients/len(s.Real) {
			t.Errorf("%s answered %d of %d clients, want %d: %v", rs.Name, got[rs.Name], lab.Clients, lab.Clients/len(s.Real), got)
		}
	}
}

func (s *site) serverDiesAndReturns(t *testing.T) {
	t.Helper()
	s.webs[1].Reap()
	for _, n := range s.Directors() {
		labtest.Must(t, n.AwaitServers(t.Context(), "web", "up", s.rips[0], s.rips[2]))
		s.expectTable(t, n)
		if have := destinations(t, n, lab.Service.String()); len(have) != 2 {
			t.Errorf("%s: after the death of a server the kernel has %q", n.Name, have)
		}
	}
	if got := s.answers(t); got["rs2"] != 0 || got["rs1"]+got["rs3"] != lab.Clients {
		t.Errorf("answers with rs2 dead: %v", got)
	}
	web, err := s.Real[1].Web(t.Context())
	labtest.Must(t, err)
	s.webs[1] = web
	for _, n := range s.Directors() {
		labtest.Must(t, n.AwaitServers(t.Context(), "web", "up", s.rips...))
		s.expectTable(t, n)
	}
}

func (s *site) activeIsKilled(t *testing.T) {
	t.Helper()
	labtest.Must(t, s.a.Kill())
	labtest.Await(t, s.B, "web", "active")
	labtest.Must(t, s.B.AwaitVIP(t.Context(), true))
	labtest.Must(t, s.A.AwaitVIP(t.Context(), false))
	got := s.answers(t)
	for _, rs := range s.Real {
		if got[rs.Name] == 0 {
			t.Errorf("after the takeover %s answers nobody: %v", rs.Name, got)
		}
	}
}
