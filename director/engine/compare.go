package engine

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"usher/director"
	"usher/director/internal/parallel"
	"usher/director/ipvs"
)

// compare reads the whole table, reports what differs from how it was left, takes
// a new configuration if there is one, and marks every pool for another look.
func (d *Engine) compare(req *request, now time.Time, events *[]director.Event) error {
	have, err := d.read()
	if err != nil {
		return fmt.Errorf("director: read the IPVS table: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drift(have, now, events)
	clear(d.loop.uncertain)
	if req != nil && !req.taken {
		d.adopt(req.servers, have, now)
		d.loop.configured = true
	}
	d.shadow = have.Subset(d.owned)
	return nil
}

// takeKnown takes a new configuration without a look at the kernel, if all its services
// are ours already: to read a large table takes longer than the rest of a reload, and
// health changes are planned on what is believed, too. The table is compared right
// after it, and only then does whoever asked hear of it.
func (d *Engine) takeKnown(req *request, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if req == nil || req.taken || d.shadow == nil || len(d.loop.uncertain) > 0 {
		return false
	}
	for _, vs := range req.servers {
		for _, key := range vs.Services() {
			if !d.owned[key] {
				return false
			}
		}
	}
	d.adopt(req.servers, d.shadow, now)
	req.taken = true
	return true
}

// drift reports each difference between how our services were left and how they
// are. The plan that follows repairs it. Caller holds mu.
func (d *Engine) drift(have ipvs.Table, now time.Time, events *[]director.Event) {
	if d.shadow == nil {
		return
	}
	left, found := ipvs.Table{}, ipvs.Table{}
	for key, e := range d.shadow {
		if d.loop.uncertain[key] || !d.owned[key] {
			continue
		}
		left[key] = e
		if h, ok := have[key]; ok {
			found[key] = h
		}
	}
	repairs := director.Drift(left, found, d.nameOf, now)
	d.stats.DriftRepairs += uint64(len(repairs))
	*events = append(*events, repairs...)
}

// adopt takes a new configuration: pools are made, updated and dropped, services
// that it no longer has retire, and what is owned is remembered before anything
// of it is in the kernel. Caller holds mu.
func (d *Engine) adopt(servers []director.VirtualServer, have ipvs.Table, now time.Time) {
	acting := d.acting()
	configured := make(map[ipvs.ServiceKey]bool, len(servers))
	for _, vs := range servers {
		for _, key := range vs.Services() {
			configured[key] = true
		}
	}
	owned := make(map[ipvs.ServiceKey]bool, len(configured))
	for key := range d.owned {
		if _, there := have[key]; there || configured[key] {
			owned[key] = true
		}
	}
	for key := range configured {
		if _, there := have[key]; there && !d.owned[key] {
			d.log.Warn("taking over a service that is in the kernel already", "service", key)
		}
		owned[key] = true
	}
	var wait sync.WaitGroup
	if !d.kept || !maps.Equal(owned, d.owned) {
		d.memory.setOwned(owned)
		wait.Go(d.persist) // the longest of all that is done here
		d.kept = true
	}
	made := d.newPools(servers, have, now)
	wait.Wait()
	d.owned = owned
	d.retire(configured, have, now)
	pools, ranks := make(map[string]*director.Pool, len(servers)), make(map[string]int, len(servers))
	d.order, d.names = d.order[:0], make(map[ipvs.ServiceKey]string, len(configured))
	for i, vs := range servers {
		d.order = append(d.order, vs.Name)
		for _, key := range vs.Services() {
			d.names[key] = vs.Name
		}
		p := made[i]
		if p == nil {
			p = d.pools[vs.Name]
			p.Update(vs, have, now)
			p.Heed(d.memory.Overrides[vs.Name], now)
		}
		for rs, v := range d.health[vs.Name] {
			if !p.Has(rs) {
				delete(d.health[vs.Name], rs)
			}
			p.SetVerdict(rs, v)
		}
		ranks[vs.Name] = i
		pools[vs.Name] = p
	}
	for name := range d.pools {
		if pools[name] == nil {
			delete(d.health, name)
		}
	}
	d.pools, d.ranks = pools, ranks
	d.tellIdle(acting, now)
}

// newPools makes the pools of the virtual servers that have none, on all processors at
// once; nil stands for the others. Caller holds mu.
func (d *Engine) newPools(servers []director.VirtualServer, have ipvs.Table, now time.Time) []*director.Pool {
	made := make([]*director.Pool, len(servers))
	parallel.Parts(len(servers), func(from, to int) {
		for i := from; i < to; i++ {
			if d.pools[servers[i].Name] == nil {
				made[i] = d.newPool(servers[i], have, now)
			}
		}
	})
	return made
}

// retire starts emptying services that are ours and no longer configured, and
// takes back those that are configured again.
func (d *Engine) retire(configured map[ipvs.ServiceKey]bool, have ipvs.Table, now time.Time) {
	for key := range d.retired {
		if configured[key] {
			delete(d.retired, key)
		}
	}
	for key := range d.owned {
		e, there := have[key]
		if configured[key] || !there || d.retired[key] != nil {
			continue
		}
		name, was := d.nameOf(key), (*director.VirtualServer)(nil)
		if p := d.pools[name]; p != nil {
			was = p.Config()
		}
		d.retired[key] = director.Retire(name, e, was, now)
	}
}

// forgetRetired gives up the ownership of retired services that are gone. Caller
// holds mu.
func (d *Engine) forgetRetired() {
	changed := false
	for key := range d.retired {
		if _, there := d.shadow[key]; !there {
			delete(d.retired, key)
			delete(d.owned, key)
			changed = true
		}
	}
	if changed {
		d.memory.setOwned(d.owned)
		d.persist()
	}
}

// acting gives the servers whose overrides have something to act on, by virtual server,
// sorted. Caller holds mu.
func (d *Engine) acting() map[string][]netip.AddrPort {
	acting := map[string][]netip.AddrPort{}
	for vs, of := range d.memory.Overrides {
		for _, rs := range slices.Sorted(maps.Keys(of)) {
			address, err := netip.ParseAddrPort(rs)
			if p := d.pools[vs]; err == nil && p != nil && p.Has(address) {
				acting[vs] = append(acting[vs], address)
			}
		}
	}
	return acting
}

// tellIdle tells of overrides that acted before a new configuration, which does not have
// their server. They are kept: it may be back with the next, or this one be taken back.
// Caller holds mu.
func (d *Engine) tellIdle(before map[string][]netip.AddrPort, now time.Time) {
	after := d.acting()
	for _, vs := range slices.Sorted(maps.Keys(before)) {
		for _, rs := range before[vs] {
			if slices.Contains(after[vs], rs) {
				continue
			}
			d.queued = append(d.queued, director.Event{
				Time: now, Kind: director.EventOverride, VirtualServer: vs, RealServer: rs, From: string(d.memory.override(vs, rs).Mode),
				Reason: "the configuration no longer has the server; what was said of it holds again when it comes back",
			})
			d.wake()
		}
	}
}
