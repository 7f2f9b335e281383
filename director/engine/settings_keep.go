package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"usher/director"
)

// Sysctl reads and writes kernel settings by names such as "net.ipv4.ip_forward".
type Sysctl interface {
	Get(name string) (string, error)
	Set(name, value string) error
}

// settingRequest is Settings on their way into Run.
type settingRequest struct {
	settings director.Settings
	done     []chan error
}

func (r *settingRequest) answer(err error) {
	for _, done := range r.done {
		done <- err
	}
}

// Configure makes s the settings and waits until Run has set them once. They are
// compared and put right again every second.
func (d *Engine) Configure(ctx context.Context, s director.Settings) error {
	done := make(chan error, 1)
	d.mu.Lock()
	var waiting []chan error
	if d.settings != nil {
		waiting = d.settings.done
	}
	d.settings = &settingRequest{settings: s, done: append(waiting, done)}
	d.mu.Unlock()
	d.wake()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SetActive says whether a VRRP instance is active; the synchronisation daemon
// that follows it becomes master or backup. It never blocks.
func (d *Engine) SetActive(instance string, active bool) {
	d.mu.Lock()
	changed := d.active[instance] != active
	d.active[instance] = active
	d.roles = d.roles || changed
	d.mu.Unlock()
	if changed {
		d.wake()
	}
}

func (d *Engine) takeRoles() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed := d.roles
	d.roles = false
	return changed
}

// Settings gives the kernel settings as they were when last looked at.
func (d *Engine) Settings() []director.SettingStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.inForce)
}

// keepSettings brings sysctls, timeouts and the synchronisation daemon to what is
// wanted. What was there before is remembered before it is changed.
func (d *Engine) keepSettings(events *[]director.Event) []error {
	s := d.loop.settings
	if s == nil {
		return nil
	}
	sysctls, err := d.keepSysctls(s, events)
	timeouts, late := d.keepTimeouts(s, events)
	d.mu.Lock()
	d.inForce = slices.Concat(sysctls, timeouts)
	d.mu.Unlock()
	errs := []error{err, late, d.keepSync(s, time.Now(), events)}
	for _, err := range errs {
		if err != nil {
			d.report(err.Error(), director.Event{Time: time.Now(), Kind: director.EventError, Reason: err.Error()}, events)
		}
	}
	if errors.Is(errs[2], unix.ENODEV) {
		// Its interface may come later; it is tried again with every comparison. That
		// is no reason for all else not to run.
		errs = errs[:2]
	}
	return errs
}

// wantedSysctls gives what settings and virtual servers ask for.
func (d *Engine) wantedSysctls(s *director.Settings) map[string]string {
	d.mu.Lock()
	want := s.Sysctls(d.configured())
	d.mu.Unlock()
	d.syncWants(s, want)
	return want
}

// configured gives the virtual servers of all pools, in order. Caller holds mu.
func (d *Engine) configured() iter.Seq[*director.VirtualServer] {
	return func(yield func(*director.VirtualServer) bool) {
		for _, name := range d.order {
			if !yield(d.pools[name].Config()) {
				return
			}
		}
	}
}

func (d *Engine) keepSysctls(s *director.Settings, events *[]director.Event) ([]director.SettingStatus, error) {
	if d.options.Sysctl == nil {
		return nil, nil
	}
	want := d.wantedSysctls(s)
	var status []director.SettingStatus
	var errs []error
	different := map[string]string{} // as they are
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, err := d.sysctl(name)
		if err != nil {
			errs = append(errs, err)
		} else if value != want[name] {
			different[name] = value
		}
		status = append(status, director.SettingStatus{Name: name, Value: value, Wanted: want[name]})
	}
	if s.ManageSysctls {
		d.rememberSysctls(different)
	}
	for i := range status {
		name := status[i].Name
		if _, is := different[name]; is {
			var err error
			if status[i].Value, err = d.setSysctl(s, name, status[i].Value, want[name]); err == nil {
				d.repaired(name, different[name], want[name], events)
			}
			errs = append(errs, err)
		}
		d.mu.Lock()
		status[i].Before = d.memory.Sysctls[name]
		d.mu.Unlock()
	}
	return status, errors.Join(append(errs, d.releaseSysctls(want))...)
}

// repaired tells of a setting that was put right, if it had been left as it is wanted.
func (d *Engine) repaired(name, found, want string, events *[]director.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := slices.ContainsFunc(d.inForce, func(s director.SettingStatus) bool { return s.Name == name && s.Value == want && s.Wanted == want })
	if !left {
		return
	}
	d.stats.DriftRepairs++
	*events = append(*events, director.Event{Time: time.Now(), Kind: director.EventDrift, From: found, To: want,
		Reason: fmt.Sprintf("%s was set to %s by somebody else; it is %s again", name, found, want)})
}

// rememberSysctls notes how settings are that are about to be changed, but for those that
// were changed before.
func (d *Engine) rememberSysctls(now map[string]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.memory.Sysctls == nil {
		d.memory.Sysctls = map[string]string{}
	}
	before := len(d.memory.Sysctls)
	for name, value := range now {
		if _, known := d.memory.Sysctls[name]; !known {
			d.memory.Sysctls[name] = value
		}
	}
	if len(d.memory.Sysctls) > before {
		d.persist()
	}
}

// releaseSysctls puts back the settings of IPVS that the configuration gave and no
// longer gives. Those that forward methods need stay until Stop: connections of
// before may still live by them.
func (d *Engine) releaseSysctls(want map[string]string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for name, before := range d.released(want) {
		if err := d.options.Sysctl.Set(name, before); err != nil {
			errs = append(errs, fmt.Errorf("director: put %s back: %w", name, err))
			continue
		}
		d.log.Info("kernel setting put back", "name", name, "to", before)
		delete(d.memory.Sysctls, name)
		d.persist()
	}
	return errors.Join(errs...)
}

// released are the settings that releaseSysctls puts back, and to what. Caller holds mu.
func (d *Engine) released(want map[string]string) map[string]string {
	out := map[string]string{}
	for name, before := range d.memory.Sysctls {
		if _, wanted := want[name]; !wanted && strings.HasPrefix(name, "net.ipv4.vs.") && name != "net.ipv4.vs.conntrack" {
			out[name] = before
		}
	}
	return out
}

// setSysctl writes one setting and gives the value it has after.
func (d *Engine) setSysctl(s *director.Settings, name, old, want string) (string, error) {
	if !s.ManageSysctls {
		return old, fmt.Errorf("director: %s is %s but %s is needed: sysctl -w %s=%s, or manage_sysctls = true",
			name, old, want, name, want)
	}
	if err := d.options.Sysctl.Set(name, want); err != nil {
		return old, fmt.Errorf("director: set %s to %s: %w", name, want, err)
	}
	d.log.Info("kernel setting changed", "name", name, "from", old, "to", want)
	return want, nil
}
