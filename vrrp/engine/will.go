package engine

import (
	"net/netip"

	"usher/vrrp"
	"usher/vrrp/packet"
)

// origin is what of a resignation can change without a change of the configuration.
type origin struct {
	source netip.Addr
	device string
	index  int
	mtu    int
	form   packet.Form
}

// configure takes over what the configuration says of the family. What was given to
// Options.Will is not what holds any more.
func (f *family) configure(cfg vrrp.Config) {
	f.addresses, f.group, f.peers = cfg.Advertised(f.v6), cfg.Group(f.v6), cfg.Peers(f.v6)
	f.to, f.willed = nil, origin{}
	for _, p := range f.peers {
		f.to = append(f.to, p.Address)
	}
	if len(f.peers) == 0 {
		f.to = []netip.Addr{f.group}
	}
}

// bequeath gives Options.Will the resignation of an instance that has just sent an
// advert, where it is not the one that was given before. It comes from where that
// advert came from, so the peers know its sender.
func (e *Engine) bequeath(in *instance) {
	if e.will == nil {
		return
	}
	changed := false
	for i := range in.families {
		f := &in.families[i]
		o := origin{f.source, f.device.Name, f.device.Index, f.device.MTU, in.form}
		changed = changed || o != f.willed
		f.willed = o
	}
	if !changed {
		return
	}
	var all []Outgoing
	for i := range in.families {
		f := &in.families[i]
		if !f.source.IsValid() {
			continue
		}
		for _, to := range f.to {
			out, _ := in.advert(f, 0, to, nil)
			if h := in.cfg.HMAC; h.Signs() {
				key, _ := h.Key(h.ActiveKey)
				out.Signing = &Signing{Key: key, AntiReplay: h.AntiReplay, Window: h.Window}
			}
			all = append(all, out)
		}
	}
	e.will(in.cfg.Name, all)
}

// revoke takes back what bequeath gave.
func (e *Engine) revoke(in *instance) {
	if e.will == nil {
		return
	}
	for i := range in.families {
		in.families[i].willed = origin{}
	}
	e.will(in.cfg.Name, nil)
}
