package daemon_test

import (
	"slices"
	"strings"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/director"
	"usher/director/announce"
	"usher/vrrp"
)

// announcing has one virtual server announced, by its port.
func (f *fixture) announcing(addresses, port string) string {
	return f.global("") + `
bgp {
  asn       = 65001
  router_id = "192.0.2.1"
  peer "192.0.2.254" { asn = 65000 }
}
announce "web" {
  addresses       = [` + addresses + `]
  virtual_servers = ["web"]
}
virtual_server "web" {
  address        = "192.0.2.200:` + port + `"
  forward_method = "dr"
  real_server "10.0.0.1" {}
}
`
}

// TestAnnouncements: the table is there before anything is announced, and stays until what
// is announced of it is withdrawn: at a reload that takes the address or its last service
// away, and at the end.
func TestAnnouncements(t *testing.T) {
	f := newFixture(t)
	both := `"192.0.2.200/32", "192.0.2.201/32"`
	f.write(f.announcing(both, "80"))
	d, stop := f.start()
	f.expect("director apply", "checks apply", "announcer made", "announcer: maintenance false", "announcer: withdrawn []", "announcer apply")

	s := d.Status()
	if len(s.Announcements) != 1 || len(s.Announcements[0].Addresses) != 2 || s.Announcements[0].Addresses[0].State != "announced" || s.Announcements[0].Withdrawals != 3 {
		t.Errorf("announcements %+v", s.Announcements)
	}
	if len(s.Sessions) != 1 || s.Sessions[0].State != "established" || s.Sessions[0].HoldTime != 9 || s.Unclaimed != 5 {
		t.Errorf("sessions %+v, %d unclaimed", s.Sessions, s.Unclaimed)
	}
	if !slices.ContainsFunc(s.Warnings, func(w api.Warning) bool { return w.Kind == "bgp_session" && w.Subject == "192.0.2.254" }) {
		t.Errorf("no warning of the session: %+v", s.Warnings)
	}

	f.reload(f.announcing(both, "81")) // the only service of the address is another one
	f.expect("announcer retires 192.0.2.200/32", "director apply", "checks apply", "announcer apply")
	f.reload(f.announcing(`"192.0.2.200/32"`, "81"))
	f.expect("announcer retires 192.0.2.201/32", "director apply", "checks apply", "announcer apply")

	if err := stop(); err != nil {
		t.Fatal(err)
	}
	f.expect("announcer withdraws all", "announcer ended", "checks ended", "director ended", "ipvs cleaned")
}

// TestNothingAnnounced: without the blocks nothing of it is made; a reload that brings them
// makes it, with what is so by then.
func TestNothingAnnounced(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	if got := f.world.noted(); slices.Contains(got, "announcer made") {
		t.Errorf("made without a reason: %q", got)
	}
	if s := d.Status(); s.Announcements != nil || s.Sessions != nil {
		t.Errorf("status has %+v, %+v", s.Announcements, s.Sessions)
	}
	f.world.vrrpEvents(vrrp.Event{Kind: vrrp.EventState, Instance: "edge", To: vrrp.Active})
	f.expect("director apply", "checks apply", "vrrp apply", "active edge")
	f.reload(f.announcing(`"192.0.2.201/32"`, "80") + instanceOn("eth0"))
	f.expect("director apply", "checks apply", "vrrp apply",
		"announcer made", "announcer: edge active true", "announcer: maintenance false", "announcer: withdrawn []", "announcer apply")
	f.world.vrrpEvents(vrrp.Event{Kind: vrrp.EventState, Instance: "edge", To: vrrp.Backup})
	f.expect("backup edge", "announcer: edge active false")
	f.world.directorEvents(director.Event{Kind: director.EventQuorum, VirtualServer: "web", To: "down"})
	<-f.world.kicked
	if pools := f.world.announcing.Pools([]string{"web"}); len(pools) != 1 || !pools[0].Serves {
		t.Errorf("pools %+v", pools)
	}
	f.world.announcing.Events(announce.Event{Kind: announce.EventAnnouncement, Announcement: "web", From: "announced", To: "withdrawn", Reason: announce.ReasonQuorum})
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if !slices.Contains(f.world.told, "web withdrawn") {
		t.Errorf("notifications heard of %q", f.world.told)
	}
}

// TestWithdraw: an operator's withdrawal reaches the announcements, is an event, and
// outlives the daemon until it is lifted; and so does maintenance.
func TestWithdraw(t *testing.T) {
	f := newFixture(t)
	f.write(f.announcing(`"192.0.2.200/32"`, "80"))
	d, stop := f.start()
	made := []string{"director apply", "checks apply", "announcer made", "announcer: maintenance false", "announcer: withdrawn []", "announcer apply"}
	f.expect(made...)
	client := api.Socket(f.socket())
	ask := func(path, name string) (string, error) {
		var done api.Done
		err := client.Post(t.Context(), path, api.Announcing{Announce: name}, &done)
		return done.Message, err
	}
	if _, err := ask("/api/v1/withdraw", "wep"); err == nil || !strings.Contains(err.Error(), `there is no announce "wep"; there is web`) {
		t.Errorf("a name that is not there: %v", err)
	}
	if text, err := ask("/api/v1/withdraw", "web"); err != nil || !strings.Contains(text, "until usher announce web") {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := ask("/api/v1/withdraw", "web"); err != nil || !strings.Contains(text, "already") {
		t.Errorf("%q, %v", text, err)
	}
	f.expect("announcer: withdrawn [web]")
	list, _, _ := d.Events().List(events.Filter{})
	if !slices.ContainsFunc(list, func(e events.Event) bool {
		return e.Kind == "announcement_override" && e.Announcement == "web" && e.To == "withdrawn"
	}) {
		t.Errorf("no event: %+v", list)
	}
	if !d.Status().Announcements[0].Withdrawn {
		t.Error("status does not show it")
	}
	// A connection of a server that drains, moved by a router, is another director's to schedule.
	var drained api.Done
	if err := client.Post(t.Context(), "/api/v1/drain", api.Steer{VirtualServer: "web", RealServer: "10.0.0.1:80", Force: true}, &drained); err != nil || !strings.Contains(drained.Message, "announce web: connections of it that routers move") {
		t.Errorf("drain: %q, %v", drained.Message, err)
	}
	f.world.forget()
	if err := client.Post(t.Context(), "/api/v1/maintenance", api.Switch{On: true}, nil); err != nil {
		t.Fatal(err)
	}
	f.expect("announcer: maintenance true")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	f.world.forget()
	f.start()
	made[3], made[4] = "announcer: maintenance true", "announcer: withdrawn [web]"
	f.expect(made...)
	if text, err := ask("/api/v1/announce", "web"); err != nil || !strings.Contains(text, "10 s") {
		t.Errorf("%q, %v", text, err)
	}
	f.expect("announcer: withdrawn []")
}

// reload applies a text.
func (f *fixture) reload(text string) {
	f.t.Helper()
	f.write(text)
	if err := api.Socket(f.socket()).Post(f.t.Context(), "/api/v1/reload", nil, nil); err != nil {
		f.t.Fatal(err)
	}
}

// expect wants exactly these doings since the last time.
func (f *fixture) expect(want ...string) {
	f.t.Helper()
	got := f.world.forget()
	if !slices.Equal(got, want) {
		f.t.Errorf("done %q, want %q", got, want)
	}
}

// forget gives what was noted, and notes from now on.
func (w *world) forget() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.log
	w.log = nil
	return log
}
