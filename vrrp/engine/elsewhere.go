package engine

import (
	"cmp"
	"slices"
	"time"

	"usher/vrrp"
)

// findElsewhere looks for virtual addresses on interfaces that instances do not have them
// on. The machine of a virtual address that is a real server as well has it on its
// loopback: that is no fault, but where the kernel answers for it the network finds the
// address here, too.
func (e *Engine) findElsewhere(now time.Time) {
	found := map[string][]vrrp.Elsewhere{}
	for name, l := range e.links {
		for _, p := range l.Lasting {
			for _, in := range e.owners[p.Addr()] {
				if in.cfg.Priority == vrrp.OwnerPriority || !p.Addr().Is4() || slices.Contains(in.carriers(), name) {
					continue
				}
				at := vrrp.Elsewhere{Prefix: p, Interface: name, On: in.cfg.Interface, Since: now}
				for _, a := range in.cfg.Addresses {
					if a.Prefix.Addr() == p.Addr() {
						at.On = cmp.Or(a.Interface, at.On)
					}
				}
				for _, was := range e.elsewhere[in.cfg.Name] {
					if was.Prefix == p && was.Interface == name {
						at.Since = was.Since
					}
				}
				found[in.cfg.Name] = append(found[in.cfg.Name], at)
			}
		}
	}
	for _, all := range found {
		slices.SortFunc(all, func(a, b vrrp.Elsewhere) int {
			return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.Prefix.Addr().Compare(b.Prefix.Addr()))
		})
	}
	e.elsewhere = found
}
