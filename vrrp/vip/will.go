package vip

import "slices"

// bequeath gives Options.Will what is to be removed if this process dies while the
// instance is active, where it is not what was given before, or an interface may be
// another one of the same name.
func (k *worker) bequeath(w desired) {
	if k.m.o.Will == nil {
		return
	}
	var all []Object
	for _, o := range w.plan.objects {
		switch o.(type) {
		case Address, LocalRoute:
			if t := k.work.have[o.Identity()]; t == nil || !t.foreign {
				all = append(all, o)
			}
		}
	}
	if w.suspect || w.relinked || !slices.Equal(all, k.work.willed) {
		k.work.willed = all
		k.m.o.Will(k.name, all)
	}
}

// revoke takes back what bequeath gave.
func (k *worker) revoke() {
	if len(k.work.willed) > 0 {
		k.work.willed = nil
		k.m.o.Will(k.name, nil)
	}
}
