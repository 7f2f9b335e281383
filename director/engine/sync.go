package engine

import (
	"errors"
	"fmt"
	"log/slog"
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

// syncWants adds to want what synchronisation asks for. An administrator's own value
// stays; changed are those that are usher's.
func syncWants(s *director.Settings, sysctls Sysctl, changed, want map[string]string) {
	if s.Sync == nil || !s.ManageSysctls || sysctls == nil {
		return
	}
	for name, value := range syncSysctls {
		_, ours := changed[name]
		if is, err := readSysctl(sysctls, name); err == nil && (ours || is == value[0]) {
			want[name] = value[1]
		}
	}
}

// syncDaemons are the kernel's connection synchronisation daemons, of which usher runs
// the one that the state of a VRRP instance asks for, or both.
type syncDaemons struct {
	log     *slog.Logger
	kernel  director.Kernel
	memory  *memory
	journal *journal
	active  map[string]bool   // VRRP instances that are active
	moved   bool              // active changed
	running []ipvs.SyncDaemon // as last left
	stop    time.Time         // when the daemon of the role before is stopped; zero for none
	foreign director.Warning  // a daemon that is in the way of ours
}

// setActive takes whether an instance is active; it tells whether that is news.
func (d *syncDaemons) setActive(instance string, active bool) bool {
	changed := d.active[instance] != active
	d.active[instance] = active
	d.moved = d.moved || changed
	return changed
}

// due tells whether there is something to do now.
func (d *syncDaemons) due(now time.Time) bool {
	moved := d.moved
	d.moved = false
	return moved || !d.stop.IsZero() && !now.Before(d.stop)
}

// next is the first of at and the time when a daemon is stopped.
func (d *syncDaemons) next(at time.Time) time.Time {
	if !d.stop.IsZero() && d.stop.Before(at) {
		return d.stop
	}
	return at
}

// wanted gives the daemons that are to run: the one that the instance's state asks for, or
// both where there is no instance.
func (d *syncDaemons) wanted(s *director.Settings) []ipvs.SyncDaemon {
	if s.Sync == nil {
		return nil
	}
	master, backup := s.Sync.Daemon, s.Sync.Daemon
	master.Role, backup.Role = ipvs.SyncMaster, ipvs.SyncBackup
	switch {
	case s.Sync.Instance == "":
		return []ipvs.SyncDaemon{backup, master}
	case d.active[s.Sync.Instance]:
		return []ipvs.SyncDaemon{master}
	}
	return []ipvs.SyncDaemon{backup}
}

// keep runs the daemons that are wanted. The one of the role before lingers beside it. One
// that somebody else started in a role stays, and ours does not run. table is for an error's
// explanation.
func (d *syncDaemons) keep(s *director.Settings, table *table, now time.Time) (err error) {
	defer func() {
		if err != nil && !d.stop.IsZero() { // not again at once
			d.stop = now.Add(syncLinger)
		}
	}()
	want, ours := d.wanted(s), d.memory.syncs()
	if len(ours) == 0 && len(want) == 0 {
		d.name(nil, nil)
		return nil
	}
	running, err := d.kernel.SyncDaemons()
	if err != nil {
		return fmt.Errorf("director: read the sync daemons: %w", err)
	}
	var kept, before []ipvs.SyncDaemon // wanted ones, and one that lingers
	for _, o := range ours {
		switch {
		case !slices.ContainsFunc(running, func(r ipvs.SyncDaemon) bool { return r.Role == o.Role && r.Interface == o.Interface && r.ID == o.ID }):
			// It has ended, or another one runs in its place.
		case slices.Contains(want, o):
			kept = append(kept, o)
		case d.lingers(o, want, now):
			before = append(before, o)
		default:
			if err := d.end(o); err != nil {
				return err
			}
			running = slices.DeleteFunc(running, func(r ipvs.SyncDaemon) bool { return r.Role == o.Role })
		}
	}
	if len(before) == 0 {
		d.stop = time.Time{}
	}
	var start []ipvs.SyncDaemon
	for _, w := range want {
		if !hasRole(running, w.Role) {
			start = append(start, w)
		}
	}
	was := d.running
	d.running = running
	kept = append(kept, start...)
	if after := slices.Concat(before, kept); !slices.Equal(after, ours) {
		d.memory.setSyncs(after)
		d.memory.keep()
	}
	for _, w := range start {
		again := slices.Contains(ours, w) && hasRole(was, w.Role) // stopped by somebody else
		if err := d.start(w, again, table, now); err != nil {
			return err
		}
	}
	d.name(want, kept)
	return nil
}

// start starts a daemon; stopped says that somebody else had stopped it.
func (d *syncDaemons) start(want ipvs.SyncDaemon, stopped bool, table *table, now time.Time) error {
	if err := d.kernel.StartSync(want); err != nil {
		return fmt.Errorf("director: start the %s sync daemon on %s: %w%s", want.Role, want.Interface, err, syncHint(err, table))
	}
	d.log.Info("sync daemon", "role", strings.ToLower(want.Role.String()), "interface", want.Interface)
	if stopped {
		d.journal.repaired(director.Event{Time: now, Kind: director.EventDrift,
			Reason: fmt.Sprintf("the %s sync daemon %s was stopped by somebody else; it runs again", want.Role, describeSync(want))})
	}
	// The kernel reads back more than it was given.
	running, err := d.kernel.SyncDaemons()
	if err != nil {
		return fmt.Errorf("director: read the sync daemons: %w", err)
	}
	d.running = running
	return nil
}

func hasRole(running []ipvs.SyncDaemon, role ipvs.SyncRole) bool {
	return slices.ContainsFunc(running, func(r ipvs.SyncDaemon) bool { return r.Role == role })
}

// name notes a daemon of somebody else that keeps one of ours from running.
func (d *syncDaemons) name(want, kept []ipvs.SyncDaemon) {
	foreign := ""
	for _, w := range want {
		if slices.Contains(kept, w) {
			continue
		}
		for _, r := range d.running {
			if r.Role == w.Role {
				foreign = fmt.Sprintf("a %s sync daemon %s runs that usher did not start, so its own %s does not: connections are not synchronised as configured; "+
					"end it with `ipvsadm --stop-daemon %s`, or take ipvs.sync out of the configuration",
					r.Role, describeSync(r), describeSync(w), r.Role)
			}
		}
	}
	if foreign != d.foreign.Text {
		d.foreign = director.Warning{Kind: "sync_daemon", Text: foreign, Since: time.Now()}
	}
}

// syncHint explains what the kernel's errno alone does not say.
func syncHint(err error, table *table) string {
	if !errors.Is(err, unix.EINVAL) {
		return ""
	}
	key, dest, ok := table.mixed()
	if !ok {
		return ""
	}
	return fmt.Sprintf(" (the kernel starts none while a service has a real server of another address family, as %s has %s: it may still be leaving)", key, dest)
}

// lingers tells whether o, which is not wanted, runs on for a while beside the one of the
// other role.
func (d *syncDaemons) lingers(o ipvs.SyncDaemon, want []ipvs.SyncDaemon, now time.Time) bool {
	if len(want) != 1 || o.Role == want[0].Role {
		return false
	}
	if o.Role = want[0].Role; o != want[0] {
		return false
	}
	if d.stop.IsZero() {
		d.stop = now.Add(syncLinger)
	}
	return now.Before(d.stop)
}

// end stops a daemon, which may have ended by itself.
func (d *syncDaemons) end(o ipvs.SyncDaemon) error {
	if err := d.kernel.StopSync(o); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("director: stop the %s sync daemon: %w", o.Role, err)
	}
	return nil
}

// disturbed tells whether the daemons are not as they were left. What cannot be read is as
// it was.
func (d *syncDaemons) disturbed() bool {
	running, err := d.kernel.SyncDaemons()
	return err == nil && !slices.Equal(running, d.running)
}

// masters tells whether usher runs the daemon that tells others of connections.
func (d *syncDaemons) masters() bool { return hasRole(d.memory.syncs(), ipvs.SyncMaster) }

// restore stops what usher started.
func (d *syncDaemons) restore() error {
	for _, o := range d.memory.syncs() {
		if err := d.end(o); err != nil {
			return err
		}
	}
	d.memory.Sync, d.memory.SyncBefore = nil, nil
	return nil
}

func describeSync(s ipvs.SyncDaemon) string { return fmt.Sprintf("on %s, id %d", s.Interface, s.ID) }
