package engine

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"usher/director"
	"usher/director/ipvs"
)

// PlanSettings reports what Configure of s, with servers configured, would change in
// the kernel's settings. It changes nothing and needs no Run.
func (d *Engine) PlanSettings(servers []director.VirtualServer, s director.Settings) ([]director.Change, error) {
	if err := d.remember(false); err != nil {
		return nil, err
	}
	out := d.sysctlChanges(servers, &s)
	have, err := d.options.Kernel.Timeouts()
	if err != nil {
		return nil, fmt.Errorf("director: read the IPVS timeouts: %w", err)
	}
	d.mu.Lock()
	want := s.Timeouts(have)
	if d.memory.Timeouts != nil {
		want = s.Timeouts(*d.memory.Timeouts)
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

func setting(name, before, after string) director.Change {
	return director.Change{Action: director.ActionEdit, Kind: "setting", Before: name + " = " + before, After: after}
}

func (d *Engine) sysctlChanges(servers []director.VirtualServer, s *director.Settings) []director.Change {
	if d.options.Sysctl == nil {
		return nil
	}
	want := s.Sysctls(each(servers))
	d.syncWants(s, want)
	var out []director.Change
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
func (d *Engine) syncChanges(s *director.Settings) ([]director.Change, error) {
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
	c := director.Change{Action: director.ActionEdit, Kind: "sync daemon", Before: before, After: after}
	switch {
	case before == "" && after == "":
		return nil, nil
	case before == "":
		c.Action = director.ActionAdd
	case after == "":
		c.Action = director.ActionRemove
	}
	if s.Sync != nil {
		for _, r := range running {
			if (ours == nil || r.Role != ours.Role) && (lingering == nil || r.Role != lingering.Role) {
				c.Reason = fmt.Sprintf("not while this machine is %s: a %s sync daemon %s runs that usher did not start", r.Role, r.Role, describeSync(r))
			}
		}
	}
	return []director.Change{c}, nil
}

func describeSync(s ipvs.SyncDaemon) string { return fmt.Sprintf("on %s, id %d", s.Interface, s.ID) }

// each goes through virtual servers.
func each(servers []director.VirtualServer) iter.Seq[*director.VirtualServer] {
	return func(yield func(*director.VirtualServer) bool) {
		for i := range servers {
			if !yield(&servers[i]) {
				return
			}
		}
	}
}
