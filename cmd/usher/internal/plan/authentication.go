package plan

import (
	"fmt"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/conf"
)

// Warning is what may put two directors at odds about the addresses of an instance: what a
// change would do to its peers, or one of them that this machine answers for already.
//
// It is also what loses connections of a virtual server that several directors serve.
type Warning struct {
	Instance      string `json:"instance,omitempty"`
	VirtualServer string `json:"virtual_server,omitempty"`
	Text          string `json:"text"`
}

// String gives one line.
func (w Warning) String() string {
	if w.VirtualServer != "" {
		return fmt.Sprintf("! virtual_server %s: %s", w.VirtualServer, w.Text)
	}
	return fmt.Sprintf("! instance %s: %s", w.Instance, w.Text)
}

// AddPeers warns where peers and this director would discard each other's advertisements
// for the sake of an HMAC, by what the daemon has heard of them in the last minute. Only
// routers that were active are heard.
func (p *Plan) AddPeers(want *conf.Config, running api.Status, now time.Time) {
	known := map[string]api.Instance{}
	for _, i := range running.Instances {
		known[i.Name] = i
	}
	for _, i := range want.Instances {
		was, ok := known[i.Name]
		if !ok {
			continue
		}
		add := func(format string, args ...any) {
			p.Warnings = append(p.Warnings, Warning{Instance: i.Name, Text: fmt.Sprintf(format, args...)})
		}
		if i.HMAC.Signs() && was.HMAC == nil {
			add("directors that do not have the keys yet discard what this one signs, and become active, too: apply mode = \"receive-only\" on all of them first")
		}
		for _, q := range was.Peers {
			signed, unsigned := q.HeardSigned(now), q.HeardUnsigned(now)
			switch {
			case i.HMAC == nil && signed:
				add("%s signs its advertisements: without authentication they would be discarded, and both directors be active", q.Address)
			case i.HMAC.Enforces() && unsigned:
				add("%s was heard without an HMAC %s ago: mode = \"enforce\" would cut it off, and both directors be active; use \"permissive\" until it signs", q.Address, now.Sub(*q.UnsignedAt).Round(time.Second))
			case i.HMAC != nil && signed:
				if _, has := i.HMAC.Key(uint8(q.Key)); !has {
					add("%s signs with key %d, which would not be known any more: have it sign with another one first", q.Address, q.Key)
				}
			}
		}
	}
}
