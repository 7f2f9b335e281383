package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"sync"
	"time"

	"usher/cmd/usher/internal/peers/compare"
	"usher/cmd/usher/internal/peers/share"
	"usher/conf"
	"usher/director"
	"usher/healthcheck"
)

// describe is what this director says of itself to the others: its roles, the digests of
// its configuration, and the servers that it has not up. It is short, whatever is
// configured, and shows no secret.
func (r *reporter) describe(now snapshot) share.Document {
	d := share.Document{Version: r.version, Started: now.started, Maintenance: now.maintenance}
	if now.config == nil {
		return d
	}
	if p := now.config.Peers; p != nil {
		d.Name, d.PartsKey = p.Name, conf.PartsKey(p.Secret)
	}
	d.Form = conf.PartsForm()
	d.Parts = r.comparison.digests.of(now)[d.PartsKey]
	if now.vrrp != nil {
		for _, i := range now.vrrp.Status() {
			d.Roles = append(d.Roles, share.Role{Instance: i.Name, State: i.State.String(), VirtualRouterID: int(i.VRID), Priority: int(i.EffectivePriority), Since: i.Since})
		}
	}
	r.servers(&d, now)
	d.Pools = fingerprints(now)
	return d
}

// fingerprints are those of the pools that are announced: directors that share their flows
// pick the same server for each only where they are equal.
func fingerprints(now snapshot) map[string]string {
	if now.director == nil || len(now.config.Announce) == 0 {
		return nil
	}
	announced, all := now.config.Announced(), map[string]string{}
	for _, v := range now.director.Status() {
		if announced[v.Name] != "" {
			all[v.Name] = strconv.FormatUint(v.Fingerprint, 16)
		}
	}
	return all
}

// servers adds how the real servers stand, by their checks alone: who took one out by hand
// is told elsewhere. One without checks is up. It is called after the digests were made.
func (r *reporter) servers(d *share.Document, now snapshot) {
	if now.serving == nil || now.checks == nil {
		return
	}
	var sorry map[healthcheck.ID]bool
	d.Servers, sorry = r.comparison.digests.servers()
	d.ServersUp = d.Servers
	for _, h := range now.checks.Statuses() {
		state := h.Verdict.State.String()
		if h.Verdict.Initial {
			state = string(director.ServerInitial)
		}
		if state == string(director.ServerDown) || state == string(director.ServerInitial) {
			d.Down = append(d.Down, share.Health{VirtualServer: h.ID.VirtualServer, RealServer: h.ID.RealServer, State: state, Since: h.Since, Reason: r.secrets.Text(h.Verdict.Reason)})
			if !sorry[h.ID] {
				d.ServersUp = max(d.ServersUp-1, 0)
			}
		}
	}
}

// digests are those of the configuration that runs, by the names of the keys that other
// directors may have made theirs with. They are made once for each configuration.
type digests struct {
	mu       sync.Mutex
	config   *conf.Config
	serving  *conf.Config
	written  map[string]map[string]string // of config
	complete map[string]map[string]string // with the sets of servers that were discovered, no more than a document has room for
	patience map[string]time.Duration     // with the servers of each virtual server
	real     int                          // servers of serving, but for sorry ones
	sorry    map[healthcheck.ID]bool      // the others
}

// of gives the digests of a configuration by key and part. Nobody changes the maps.
func (d *digests) of(now snapshot) map[string]map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.config == d.config && now.serving == d.serving {
		return d.complete
	}
	if now.config != d.config {
		d.written, d.patience = map[string]map[string]string{}, patience(now.config)
		for _, key := range keysOf(now.config.Peers) {
			d.written[conf.PartsKey(key)] = now.config.Parts(key)
		}
	}
	found := discoveredSets(now.serving)
	d.config, d.serving, d.complete = now.config, now.serving, map[string]map[string]string{}
	d.real, d.sorry = realAndSorry(now.serving)
	for key, parts := range d.written {
		all := make(map[string]string, len(parts)+len(found))
		for name, digest := range parts {
			all[name] = digest
		}
		for name, digest := range found {
			all[name] = digest
		}
		d.complete[key] = compare.Fold(all)
	}
	return d.complete
}

// servers are those of the configuration that of was last given, and the sorry ones besides.
func (d *digests) servers() (real int, sorry map[healthcheck.ID]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.real, d.sorry
}

func realAndSorry(c *conf.Config) (real int, sorry map[healthcheck.ID]bool) {
	if c == nil {
		return 0, nil
	}
	sorry = map[healthcheck.ID]bool{}
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		real += len(v.Real)
		for _, s := range v.Sorry {
			sorry[healthcheck.ID{VirtualServer: v.Name, RealServer: s.Address}] = true
		}
	}
	return real, sorry
}

// lasts is how long directors may differ about a server of a virtual server.
func (d *digests) lasts(virtualServer string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.patience[virtualServer]
}

// keysOf are the keys that the group may use: the present one, and one that it is changed
// from. Without any there are digests without a key.
func keysOf(p *conf.Peers) [][]byte {
	if p == nil {
		return [][]byte{nil}
	}
	keys := [][]byte{p.Secret}
	if len(p.OldSecret) > 0 {
		keys = append(keys, p.OldSecret)
	}
	return keys
}

// patience is, for each virtual server, by how much two directors may come later than each
// other to the same verdict on a server: their probes are due at different moments.
func patience(c *conf.Config) map[string]time.Duration {
	all := map[string]time.Duration{}
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		var longest time.Duration
		for _, t := range v.EveryTarget() {
			for j := range t.Checks {
				k := &t.Checks[j]
				longest = max(longest, k.Interval+k.Jitter+k.Timeout)
			}
		}
		all[v.Name] = compare.Least + longest
	}
	return all
}

// discoveredSets are digests of the servers that each virtual server with sources has now.
// Their addresses are no secret to those who are told.
func discoveredSets(c *conf.Config) map[string]string {
	if c == nil {
		return nil
	}
	all := map[string]string{}
	for i := range c.VirtualServers {
		v := &c.VirtualServers[i]
		if len(v.Discover) == 0 {
			continue
		}
		var addresses []string
		for _, r := range v.Real {
			addresses = append(addresses, r.Address.String())
		}
		slices.Sort(addresses)
		sum := sha256.New()
		for _, a := range addresses {
			sum.Write([]byte(a + "\n"))
		}
		all[compare.SetOf(v.Name)] = hex.EncodeToString(sum.Sum(nil)[:5])
	}
	return all
}
