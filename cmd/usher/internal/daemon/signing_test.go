package daemon_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/vrrp"
)

// TestSigningWarnings: while a roll-out is under way a peer that does not sign is worth a
// look, and so is a clock that is soon too far away; the document says who signs.
func TestSigningWarnings(t *testing.T) {
	f := newFixture(t)
	d, _ := f.start()
	told := func() (all []string) {
		for _, w := range d.Status().Warnings {
			if w.Kind == "hmac_unsigned" || w.Kind == "clock" {
				all = append(all, w.Kind+" "+w.Subject+" "+w.Severity+": "+w.Text)
			}
		}
		return all
	}
	now := time.Now()
	peer := vrrp.PeerStatus{Address: netip.MustParseAddr("192.0.2.9"), UnsignedAt: now}
	runs := vrrp.HMACStatus{Mode: vrrp.HMACPermissive, ActiveKey: 1, Keys: []uint8{1, 2}, AntiReplay: vrrp.AntiReplayTime, Window: 6 * time.Second}
	for _, c := range []struct {
		name   string
		change func(h *vrrp.HMACStatus, p *vrrp.PeerStatus)
		want   string // "" for no warning
	}{
		{"unsigned", func(*vrrp.HMACStatus, *vrrp.PeerStatus) {}, "hmac_unsigned edge warning: 192.0.2.9 does not sign"},
		{"unsigned, where all are to be", func(h *vrrp.HMACStatus, _ *vrrp.PeerStatus) { h.Mode = vrrp.HMACReceiveOnly }, ""},
		{"unsigned long ago", func(_ *vrrp.HMACStatus, p *vrrp.PeerStatus) { p.UnsignedAt = now.Add(-2 * time.Minute) }, ""},
		{"signed", func(_ *vrrp.HMACStatus, p *vrrp.PeerStatus) { p.SignedAt, p.Key = now.Add(time.Second), 2 }, ""},
		{"3 s apart", func(_ *vrrp.HMACStatus, p *vrrp.PeerStatus) {
			p.SignedAt, p.Key, p.ClockOffset = now.Add(time.Second), 2, -3*time.Second
		}, ""},
		{"4 s apart", func(_ *vrrp.HMACStatus, p *vrrp.PeerStatus) {
			p.SignedAt, p.Key, p.ClockOffset = now.Add(time.Second), 2, -4*time.Second
		}, "clock edge warning: the clock of 192.0.2.9 is -4 s from this machine's"},
		{"4 s apart, monotonic", func(h *vrrp.HMACStatus, p *vrrp.PeerStatus) {
			h.AntiReplay, p.SignedAt, p.Key, p.ClockOffset = vrrp.AntiReplayMonotonic, now.Add(time.Second), 2, -4*time.Second
		}, ""},
	} {
		h, p := runs, peer
		c.change(&h, &p)
		f.world.mu.Lock()
		f.world.statuses[0].HMAC, f.world.statuses[0].Peers = &h, []vrrp.PeerStatus{p}
		f.world.mu.Unlock()
		if got := told(); len(got) > 1 || (len(got) == 1) != (c.want != "") || len(got) == 1 && !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	i := d.Status().Instances[0]
	if i.HMAC == nil || i.HMAC.Mode != "permissive" || i.HMAC.Window != 6 || !slices.Equal(i.HMAC.Keys, []int{1, 2}) || len(i.Peers) != 1 || i.Peers[0].Key != 2 || i.Peers[0].ClockOffset != -4 {
		t.Errorf("hmac %+v, peers %+v", i.HMAC, i.Peers)
	}
	var none []api.Peer
	f.world.mu.Lock()
	f.world.statuses[0].HMAC, f.world.statuses[0].Peers = nil, nil
	f.world.mu.Unlock()
	if i := d.Status().Instances[0]; i.HMAC != nil || !slices.Equal(i.Peers, none) {
		t.Errorf("without: %+v, %+v", i.HMAC, i.Peers)
	}
}
