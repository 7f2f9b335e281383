package vrrpproc

import (
	"usher/vrrp"
)

// Status gives every instance as it stands. While there is no child, or none
// that answers within a second, all are in Initialize, and the reason says so.
func (p *Parent) Status() []vrrp.Status {
	p.mu.Lock()
	c, all, err := p.child, p.desired.Instances, p.absent
	p.mu.Unlock()
	if c != nil {
		var r reply
		if r, err = c.ask(message{Status: true}, statusWithin); err == nil {
			return r.Status
		}
	}
	out := make([]vrrp.Status, len(all))
	for i, cfg := range all {
		out[i] = vrrp.Status{
			Name: cfg.Name, State: vrrp.Initialize, Reason: err.Error(), Priority: cfg.Priority,
			VRID: cfg.VRID, Version: cfg.Version, Interface: cfg.Interface,
		}
		for _, a := range cfg.Addresses {
			out[i].Addresses = append(out[i].Addresses, a.Prefix.String())
		}
	}
	return out
}

// Failover hands an active instance over to its peer.
func (p *Parent) Failover(name string) error {
	return p.request(message{Failover: &name})
}

// Maintenance takes this director out (all instances resign and stay back) or
// lets it take part again. It holds for a child that is started later, too.
func (p *Parent) Maintenance(on bool) error {
	p.mu.Lock()
	p.maintenance = on
	p.mu.Unlock()
	return p.request(message{Maintenance: &on})
}

// Stay takes back every handover that no peer has answered yet.
func (p *Parent) Stay() error { return p.request(message{Stay: true}) }

func (p *Parent) request(m message) error {
	p.mu.Lock()
	c := p.child
	p.mu.Unlock()
	if c == nil {
		return ErrNoChild
	}
	_, err := c.ask(m, answerWithin)
	return err
}

// Track tells the present say of one track of an instance: of virtual servers and
// BFD peers, for the parent watches all others itself. It never blocks.
func (p *Parent) Track(instance, key string, a vrrp.Adjustment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tracks[trackOf{instance, key}] = a
	if p.child != nil {
		p.child.send(message{Track: &trackResult{instance, key, a}})
	}
}

// Witness tells whether the second opinion of an instance can be reached. It
// never blocks.
func (p *Parent) Witness(instance string, reachable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.witnesses[instance] = reachable
	if p.child != nil {
		p.child.send(message{Witness: &witnessed{instance, reachable}})
	}
}
