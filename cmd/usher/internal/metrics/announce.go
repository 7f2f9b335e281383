package metrics

import (
	"usher/cmd/usher/internal/api"
	"usher/director/announce"
)

// announcements writes what is announced by BGP, where anything is.
func (t *text) announcements(s api.Status) {
	t.gauge("pool_fingerprint", "What the pool is made of (servers in their order, weights, scheduler), as a number: directors that share flows have to have the same.")
	for _, v := range s.VirtualServers {
		if !v.Removed {
			t.sample(t.labels("virtual_server", v.Name), float64(v.Fingerprint))
		}
	}
	if len(s.Announcements)+len(s.Sessions) == 0 {
		return
	}
	t.gauge("announce_state", "1 while every address of the announcement is announced and none is drained, else 0.")
	for _, a := range s.Announcements {
		all := true
		for _, p := range a.Addresses {
			all = all && p.State == string(announce.Announced)
		}
		t.sample(t.labels("announce", a.Name), truth(all))
	}
	t.gauge("announce_prefix_state", "1 for the state that the address is in: announced, draining or withdrawn; 0 for the others.")
	for _, a := range s.Announcements {
		for _, p := range a.Addresses {
			for _, state := range []announce.Phase{announce.Announced, announce.Draining, announce.Down} {
				t.sample(t.labels("announce", a.Name, "prefix", p.Prefix, "state", state.Word()), truth(p.State == state.Word()))
			}
		}
	}
	t.gauge("announce_reason", "1 for the reason why the address is not announced, 0 for the others.")
	for _, a := range s.Announcements {
		for _, p := range a.Addresses {
			for _, r := range announce.Reasons() {
				t.sample(t.labels("announce", a.Name, "prefix", p.Prefix, "reason", string(r)), truth(p.Reason == string(r)))
			}
		}
	}
	t.counter("announce_withdrawals_total", "Times that an address of the announcement was taken back.")
	for _, a := range s.Announcements {
		t.sample(t.labels("announce", a.Name), float64(a.Withdrawals))
	}
	t.gauge("bgp_session_up", "1 while the BGP session with the router is established.")
	for _, p := range s.Sessions {
		t.sample(t.labels("peer", p.Peer), truth(p.State == string(announce.Established)))
	}
	t.counter("bgp_flaps_total", "Times that an established session was lost.")
	for _, p := range s.Sessions {
		t.sample(t.labels("peer", p.Peer), float64(p.Flaps))
	}
	t.counter("bgp_refused_total", "Prefixes that the router sent; none is taken.")
	for _, p := range s.Sessions {
		t.sample(t.labels("peer", p.Peer), float64(p.Refused))
	}
	t.counter("unclaimed_packets_total", "Packets to announced addresses that IPVS had no service for, and that were dropped.")
	t.sample("", float64(s.Unclaimed))
}
