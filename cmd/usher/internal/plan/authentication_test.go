package plan_test

import (
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/plan"
	"usher/conf"
	"usher/vrrp"
)

// TestAddPeers: a plan knows from what the daemon heard whom a change would cut off.
func TestAddPeers(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	signs := func(mode vrrp.HMACMode, ids ...uint8) *vrrp.HMAC {
		h := &vrrp.HMAC{Mode: mode, ActiveKey: 1}
		for _, id := range ids {
			h.Keys = append(h.Keys, vrrp.HMACKey{ID: id})
		}
		return h
	}
	unsigned := api.Peer{Address: "192.0.2.3", UnsignedAt: ago(12 * time.Second), SignedAt: ago(time.Hour)}
	signed := api.Peer{Address: "192.0.2.3", Key: 2, SignedAt: ago(time.Second), UnsignedAt: ago(30 * time.Second)}
	long := api.Peer{Address: "192.0.2.3", UnsignedAt: ago(61 * time.Second)}
	runs := &api.HMAC{Mode: "permissive"}
	for _, c := range []struct {
		name string
		runs *api.HMAC
		peer api.Peer
		want *vrrp.HMAC
		text string // "" for no warning
	}{
		{"enforce, the peer unsigned", runs, unsigned, signs(vrrp.HMACEnforce, 1), `192.0.2.3 was heard without an HMAC 12s ago: mode = "enforce" would cut it off`},
		{"enforce, the peer unsigned long ago", runs, long, signs(vrrp.HMACEnforce, 1), ""},
		{"enforce, the peer signs by now", runs, signed, signs(vrrp.HMACEnforce, 1, 2), ""},
		{"permissive, the peer unsigned", runs, unsigned, signs(vrrp.HMACPermissive, 1), ""},
		{"its key is gone", runs, signed, signs(vrrp.HMACPermissive, 1), "192.0.2.3 signs with key 2, which would not be known any more"},
		{"authentication is gone", runs, signed, nil, "192.0.2.3 signs its advertisements"},
		{"authentication is gone, nobody signs", runs, unsigned, nil, ""},
		{"a step too far", nil, long, signs(vrrp.HMACPermissive, 1), `apply mode = "receive-only" on all of them first`},
		{"the first step", nil, unsigned, signs(vrrp.HMACReceiveOnly, 1), ""},
	} {
		i := instance("web", 100, "192.0.2.1/32")
		i.HMAC = c.want
		want := &conf.Config{Instances: []conf.Instance{i}}
		p := plan.Compare(want, want)
		p.AddPeers(want, api.Status{Instances: []api.Instance{{Name: "web", HMAC: c.runs, Peers: []api.Peer{c.peer}}}}, now)
		text := p.String()
		if (len(p.Warnings) > 0) != (c.text != "") || !strings.Contains(text, c.text) || c.text != "" && !strings.Contains(text, "Warnings\n  ! instance web: ") {
			t.Errorf("%s: want %q, got\n%s", c.name, c.text, text)
		}
	}
}
