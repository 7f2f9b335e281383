package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// syncLinger is how long a synchronisation daemon runs on beside the one of the
// new role. The kernel collects connections for up to 2 s before it tells them,
// and looks once a second; a master that is stopped forgets what it has collected.
const syncLinger = 4 * time.Second

// syncSysctls are the settings of a machine that synchronises: where they are as
// the kernel starts (first), they become the second. The kernel's own tell the peer
// of a connection with its third packet and then with each fiftieth: late of one
// that says little, and not until then of one whose SYN was sent again. So a
// connection is told as soon as it is open, and again after 10 s if it is in use.
var syncSysctls = map[string][2]string{
	"net.ipv4.vs.sync_threshold":      {"3 50", "0 0"},
	"net.ipv4.vs.sync_refresh_period": {"0", "10"},
}

// syncWants adds to want what synchronisation asks for. An administrator's own
// value stays.
func (d *Engine) syncWants(s *director.Settings, want map[string]string) {
	if s.Sync == nil || !s.ManageSysctls || d.options.Sysctl == nil {
		return
	}
	for name, value := range syncSysctls {
		d.mu.Lock()
		_, ours := d.memory.Sysctls[name]
		d.mu.Unlock()
		if is, err := d.sysctl(name); err == nil && (ours || is == value[0]) {
			want[name] = value[1]
		}
	}
}

// sysctl reads a setting; one of several numbers has a space between them.
func (d *Engine) sysctl(name string) (string, error) {
	value, err := d.options.Sysctl.Get(name)
	return strings.Join(strings.Fields(value), " "), err
}

// wantedSync gives the daemon that the instance's state asks for; nil for none.
func (d *Engine) wantedSync(s *director.Settings) *ipvs.SyncDaemon {
	if s.Sync == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	daemon := s.Sync.Daemon
	daemon.Role = ipvs.SyncBackup
	if d.active[s.Sync.Instance] {
		daemon.Role = ipvs.SyncMaster
	}
	return &daemon
}

// keepSync runs the daemon that the instance's state asks for. The one of the
// role before lingers beside it. One that somebody else started in that role stays, and
// ours does not run.
func (d *Engine) keepSync(s *director.Settings, now time.Time, events *[]director.Event) (err error) {
	defer func() {
		if err != nil && !d.loop.syncStop.IsZero() { // not again at once
			d.loop.syncStop = now.Add(syncLinger)
		}
	}()
	want := d.wantedSync(s)
	d.mu.Lock()
	ours := d.memory.syncs()
	d.mu.Unlock()
	if len(ours) == 0 && want == nil {
		d.foreignSync(nil, nil)
		return nil
	}
	running, err := d.options.Kernel.SyncDaemons()
	if err != nil {
		return fmt.Errorf("director: read the sync daemons: %w", err)
	}
	is := func(role ipvs.SyncRole) bool {
		return slices.ContainsFunc(running, func(r ipvs.SyncDaemon) bool { return r.Role == role })
	}
	var current, before *ipvs.SyncDaemon
	for _, o := range ours {
		switch {
		case !slices.ContainsFunc(running, func(r ipvs.SyncDaemon) bool { return r.Role == o.Role && r.Interface == o.Interface && r.ID == o.ID }):
			// It has ended, or another one runs in its place.
		case want != nil && *want == o:
			current = &o
		case d.lingers(o, want, now):
			before = &o
		default:
			if err := d.stopSync(o); err != nil {
				return err
			}
			running = slices.DeleteFunc(running, func(r ipvs.SyncDaemon) bool { return r.Role == o.Role })
		}
	}
	if before == nil {
		d.loop.syncStop = time.Time{}
	}
	start := want != nil && !is(want.Role)
	// By somebody else, where it was seen to run.
	stopped := start && slices.Contains(ours, *want) &&
		slices.ContainsFunc(d.loop.daemons, func(r ipvs.SyncDaemon) bool { return r.Role == want.Role })
	d.loop.daemons = running
	if start {
		current = want
	}
	d.mu.Lock()
	if after := (&memory{Sync: current, SyncBefore: before}).syncs(); !slices.Equal(after, ours) {
		d.memory.Sync, d.memory.SyncBefore = current, before
		d.persist()
	}
	d.mu.Unlock()
	if start {
		if err := d.options.Kernel.StartSync(*want); err != nil {
			return fmt.Errorf("director: start the %s sync daemon on %s: %w%s", want.Role, want.Interface, err, d.syncHint(err))
		}
		d.log.Info("sync daemon", "role", strings.ToLower(want.Role.String()), "interface", want.Interface)
		if stopped {
			d.mu.Lock()
			d.stats.DriftRepairs++
			d.mu.Unlock()
			*events = append(*events, director.Event{Time: now, Kind: director.EventDrift,
				Reason: fmt.Sprintf("the %s sync daemon %s was stopped by somebody else; it runs again", want.Role, describeSync(*want))})
		}
		// The kernel reads back more than it was given.
		if running, err = d.options.Kernel.SyncDaemons(); err != nil {
			return fmt.Errorf("director: read the sync daemons: %w", err)
		}
	}
	d.loop.daemons = running
	d.foreignSync(want, current)
	return nil
}

// foreignSync notes the daemon of somebody else that keeps ours from running.
func (d *Engine) foreignSync(want, current *ipvs.SyncDaemon) {
	foreign := ""
	if want != nil && current == nil {
		for _, r := range d.loop.daemons {
			if r.Role == want.Role {
				foreign = fmt.Sprintf("a %s sync daemon %s runs that usher did not start, so its own %s does not: connections are not synchronised as configured; "+
					"end it with `ipvsadm --stop-daemon %s`, or take ipvs.sync out of the configuration",
					r.Role, describeSync(r), describeSync(*want), r.Role)
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if foreign != d.foreign.Text {
		d.foreign = director.Warning{Kind: "sync_daemon", Text: foreign, Since: time.Now()}
	}
}

// syncHint explains what the kernel's errno alone does not say.
func (d *Engine) syncHint(err error) string {
	if !errors.Is(err, unix.EINVAL) {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, e := range d.shadow {
		for dest := range e.Destinations {
			if mixed(key, dest) {
				return fmt.Sprintf(" (the kernel starts none while a service has a real server of another address family, as %s has %s: it may still be leaving)", key, dest)
			}
		}
	}
	return ""
}

// lingers tells whether o, which is not the daemon wanted, runs on for a while.
func (d *Engine) lingers(o ipvs.SyncDaemon, want *ipvs.SyncDaemon, now time.Time) bool {
	if want == nil || o.Role == want.Role {
		return false
	}
	if o.Role = want.Role; o != *want {
		return false
	}
	if d.loop.syncStop.IsZero() {
		d.loop.syncStop = now.Add(syncLinger)
	}
	return now.Before(d.loop.syncStop)
}

// stopSync stops a daemon, which may have ended by itself.
func (d *Engine) stopSync(o ipvs.SyncDaemon) error {
	if err := d.options.Kernel.StopSync(o); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("director: stop the %s sync daemon: %w", o.Role, err)
	}
	return nil
}

// flushSync waits until the kernel has told the peer of the last connections, where
// a master is about to be stopped.
func (d *Engine) flushSync(ctx context.Context) {
	d.mu.Lock()
	master := slices.ContainsFunc(d.memory.syncs(), func(s ipvs.SyncDaemon) bool { return s.Role == ipvs.SyncMaster })
	d.mu.Unlock()
	if !master {
		return
	}
	select {
	case <-time.After(syncLinger):
	case <-ctx.Done():
	}
}

// restoreSync stops what usher started.
func (d *Engine) restoreSync() error {
	for _, o := range d.memory.syncs() {
		if err := d.stopSync(o); err != nil {
			return err
		}
	}
	d.memory.Sync, d.memory.SyncBefore = nil, nil
	return nil
}
