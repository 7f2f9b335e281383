package engine

import (
	"usher/director"
	"usher/director/announce"
)

// Announceable tells how virtual servers stand to announcements of their addresses, in the
// order of their names. One that is not there is in no table. It asks the kernel nothing.
func (e *Engine) Announceable(names []string) []announce.Pool {
	v := e.look()
	pools := make(map[string]*director.Pool, len(v.pools))
	for _, p := range v.pools {
		pools[p.Config().Name] = p
	}
	all := make([]announce.Pool, len(names))
	for i, name := range names {
		all[i].Name = name
		p := pools[name]
		if p == nil {
			continue
		}
		all[i].Probed, all[i].Serves = p.Serves()
		all[i].Table = placed(p, v)
	}
	return all
}

// placed says whether the kernel has every service of a pool.
func placed(p *director.Pool, v *snapshot) bool {
	for _, key := range p.Config().Keys {
		if _, there := v.table[key]; !there {
			return false
		}
	}
	return len(p.Config().Keys) > 0
}
