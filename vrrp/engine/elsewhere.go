package engine

import (
	"cmp"
	"slices"
	"time"

	"usher/vrrp"
)

// findElsewhere looks for virtual addresses on interfaces that instances do not have them
// on.
func (e *Engine) findElsewhere(now time.Time) {
	found := map[string][]vrrp.Elsewhere{}
	for name, l := range e.links {
		for _, p := range l.Lasting {
			for _, in := range e.owners[p.Addr()] {
				on, there := in.cfg.Elsewhere(vrrp.LocalAddress{Interface: name, Prefix: p})
				if !there {
					continue
				}
				at := vrrp.Elsewhere{Prefix: p, Interface: name, On: on, Since: now}
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
