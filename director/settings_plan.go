package director

import (
	"fmt"
	"maps"
	"slices"

	"usher/director/ipvs"
)

// PlanSettings reports what Configure of s, with servers configured, would change in
// the kernel's settings. It changes nothing and needs no Run.
func (d *Director) PlanSettings(servers []VirtualServer, s Settings) ([]Change, error) {
	if err := d.remember(false); err != nil {
		return nil, err
	}
	out := d.sysctlChanges(servers, &s)
	have, err := d.options.Kernel.Timeouts()
	if err != nil {
		return nil, fmt.Errorf("director: read the IPVS timeouts: %w", err)
	}
	d.mu.Lock()
	want := s.timeouts(have)
	if d.memory.Timeouts != nil {
		want = s.timeouts(*d.memory.Timeouts)
	}
	d.mu.Unlock()
	for _, n := range timeoutNames {
		if n.of(have) != n.of(want) {
			out = append(out, setting(n.name, inSeconds(n.of(have)), inSeconds(n.of(want))))
		}
	}
	sync, err := d.syncChanges(&s)
	return append(out, sync...), err
}

func setting(name, before, after string) Change {
	return Change{Action: ActionEdit, Kind: "setting", Before: name + " = " + before, After: after}
}

func (d *Director) sysctlChanges(servers []VirtualServer, s *Settings) []Change {
	if d.options.Sysctl == nil {
		return nil
	}
	want := s.sysctls()
	d.syncWants(s, want)
	var n needs
	for i := range servers {
		n.add(&servers[i])
	}
	n.want(want)
	var out []Change
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, err := d.sysctl(name)
		if err != nil || value == want[name] {
			continue
		}
		c := setting(name, value, want[name])
		if !s.ManageSysctls {
			c.Reason = "to be set by hand, since manage_sysctls is off"
		}
		out = append(out, c)
	}
	d.mu.Lock()
	released := d.released(want)
	d.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(released)) {
		if value, err := d.sysctl(name); err == nil && value != released[name] {
			c := setting(name, value, released[name])
			c.Reason = "as it was before usher, for the configuration gives it no longer"
			out = append(out, c)
		}
	}
	return out
}

// syncChanges compares the synchronisation daemon, whose role is VRRP's to say.
func (d *Director) syncChanges(s *Settings) ([]Change, error) {
	d.mu.Lock()
	ours, lingering := d.memory.Sync, d.memory.SyncBefore
	d.mu.Unlock()
	if ours == nil && s.Sync == nil {
		return nil, nil
	}
	running, err := d.options.Kernel.SyncDaemons()
	if err != nil {
		return nil, fmt.Errorf("director: read the sync daemons: %w", err)
	}
	var before, after string
	// The kernel reads back more than was given: what was given is remembered.
	if ours != nil && slices.ContainsFunc(running, func(r ipvs.SyncDaemon) bool { return r.Role == ours.Role }) {
		given := *ours
		given.Role = 0
		if s.Sync != nil && given == s.Sync.Daemon {
			return nil, nil
		}
		before = describeSync(given)
	}
	if s.Sync != nil {
		after = describeSync(s.Sync.Daemon)
	}
	c := Change{Action: ActionEdit, Kind: "sync daemon", Before: before, After: after}
	switch {
	case before == "" && after == "":
		return nil, nil
	case before == "":
		c.Action = ActionAdd
	case after == "":
		c.Action = ActionRemove
	}
	if s.Sync != nil {
		for _, r := range running {
			if (ours == nil || r.Role != ours.Role) && (lingering == nil || r.Role != lingering.Role) {
				c.Reason = fmt.Sprintf("not while this machine is %s: a %s sync daemon %s runs that usher did not start", r.Role, r.Role, describeSync(r))
			}
		}
	}
	return []Change{c}, nil
}

func describeSync(s ipvs.SyncDaemon) string { return fmt.Sprintf("on %s, id %d", s.Interface, s.ID) }
