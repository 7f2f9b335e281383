package engine

import (
	"slices"

	"usher/vrrp"
)

// foreignFault looks for virtual addresses that are on this machine though the instance
// is not active. What carries usher's mark is a leftover, which the holder removes;
// what somebody else put there to stay is a fault. An active instance has its
// addresses: what is added beside them is found when it gives way.
func (e *Engine) foreignFault(in *instance) (fault string) {
	if in.m.State() == vrrp.Active {
		return ""
	}
	left := false
	for _, name := range in.carriers() {
		l := e.links[name]
		for _, p := range l.Lasting {
			if fault == "" {
				fault = in.cfg.Foreign(vrrp.LocalAddress{Interface: name, Prefix: p})
			}
		}
		left = left || slices.ContainsFunc(in.cfg.Addresses, func(a vrrp.Address) bool { return slices.Contains(l.Marked, a.Prefix) })
	}
	if left {
		e.ports.Hold(in.cfg.Name, false)
	}
	return fault
}

// carriers are the interfaces that may have an instance's addresses, each once.
func (in *instance) carriers() []string {
	all := []string{in.cfg.Interface}
	for _, a := range in.cfg.Addresses {
		all = append(all, a.Interface)
	}
	if in.cfg.VirtualMAC {
		all = append(all, vrrp.VirtualDevice(in.cfg, false), vrrp.VirtualDevice(in.cfg, true))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
