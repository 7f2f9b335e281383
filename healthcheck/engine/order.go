package engine

import (
	"iter"

	"usher/healthcheck"
)

// order is in what order servers are, as they were applied: by virtual server, so that the
// exchange of one's costs nothing of the others'.
type order struct {
	names   []string // of virtual servers
	servers map[string][]healthcheck.ID
}

// replace has ids in the place of those of one virtual server, nil for all, and gives
// those that were there before.
func (o *order) replace(of *string, ids []healthcheck.ID) (before []healthcheck.ID) {
	if of != nil {
		before, there := o.servers[*of]
		switch {
		case !there && len(ids) > 0:
			o.names = append(o.names, *of)
		case !there:
			return nil
		}
		if o.servers == nil {
			o.servers = map[string][]healthcheck.ID{}
		}
		o.servers[*of] = ids // none keep its place
		return before
	}
	for id := range o.all() {
		before = append(before, id)
	}
	o.names, o.servers = o.names[:0], map[string][]healthcheck.ID{}
	for _, id := range ids {
		name := id.VirtualServer
		if _, there := o.servers[name]; !there {
			o.names = append(o.names, name)
		}
		o.servers[name] = append(o.servers[name], id)
	}
	return before
}

// all gives all servers in their order.
func (o *order) all() iter.Seq[healthcheck.ID] {
	return func(yield func(healthcheck.ID) bool) {
		for _, name := range o.names {
			for _, id := range o.servers[name] {
				if !yield(id) {
					return
				}
			}
		}
	}
}
