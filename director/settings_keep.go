package director

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sysctl reads and writes kernel settings by names such as "net.ipv4.ip_forward".
type Sysctl interface {
	Get(name string) (string, error)
	Set(name, value string) error
}

// SettingStatus is one kernel setting that the director looks after.
type SettingStatus struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Wanted string `json:"wanted"`
	Before string `json:"before,omitempty"` // what Stop puts back; "" where usher did not change it
}

// settingRequest is Settings on their way into Run.
type settingRequest struct {
	settings Settings
	done     []chan error
}

func (r *settingRequest) answer(err error) {
	for _, done := range r.done {
		done <- err
	}
}

// Configure makes s the settings and waits until Run has set them once. They are
// compared and put right again every second.
func (d *Director) Configure(ctx context.Context, s Settings) error {
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
func (d *Director) SetActive(instance string, active bool) {
	d.mu.Lock()
	changed := d.active[instance] != active
	d.active[instance] = active
	d.roles = d.roles || changed
	d.mu.Unlock()
	if changed {
		d.wake()
	}
}

func (d *Director) takeRoles() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed := d.roles
	d.roles = false
	return changed
}

// Settings gives the kernel settings as they were when last looked at.
func (d *Director) Settings() []SettingStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.inForce)
}

// keepSettings brings sysctls, timeouts and the synchronisation daemon to what is
// wanted. What was there before is remembered before it is changed.
func (d *Director) keepSettings(events *[]Event) []error {
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
			d.report(err.Error(), Event{Time: time.Now(), Kind: EventError, Reason: err.Error()}, events)
		}
	}
	if errors.Is(errs[2], unix.ENODEV) {
		// Its interface may come later; it is tried again with every comparison. That
		// is no reason for all else not to run.
		errs = errs[:2]
	}
	return errs
}

// wantedSysctls gives what settings and forward methods ask for.
func (d *Director) wantedSysctls(s *Settings) map[string]string {
	want := s.sysctls()
	d.syncWants(s, want)
	d.mu.Lock()
	defer d.mu.Unlock()
	var n needs
	for _, p := range d.pools {
		n.add(&p.config)
	}
	n.want(want)
	return want
}

// sysctls gives the settings by the kernel's names and values.
func (s *Settings) sysctls() map[string]string {
	want := map[string]string{}
	for name, value := range map[string]*bool{
		"expire_nodest_conn":        s.ExpireNodestConn,
		"expire_quiescent_template": s.ExpireQuiescentTemplate,
		"conntrack":                 s.Conntrack,
		"sloppy_tcp":                s.SloppyTCP,
	} {
		if value != nil {
			want["net.ipv4.vs."+name] = map[bool]string{true: "1", false: "0"}[*value]
		}
	}
	if s.ConnReuseMode != nil {
		want["net.ipv4.vs.conn_reuse_mode"] = strconv.Itoa(*s.ConnReuseMode)
	}
	return want
}

// needs are the kernel settings that virtual servers cannot work without.
type needs struct{ conntrack, acceptLocal, forward4, forward6 bool }

// add takes a virtual server along.
func (n *needs) add(vs *VirtualServer) {
	vs.servers(func(rs *RealServer) {
		n.conntrack = n.conntrack || rs.Forward == FullNAT
		if key, ok := vs.probe(rs); ok && !key.IPv6 && (rs.Forward == DR || rs.Forward == Tun) {
			// The answer to a probe comes from the VIP, which is a local address while
			// this director is active.
			n.acceptLocal = true
		}
		switch {
		case rs.Forward == DR:
		case rs.Address.Addr().Unmap().Is4():
			n.forward4 = true
		default:
			n.forward6 = true
		}
	})
}

// want adds the settings by the kernel's names and values.
func (n needs) want(sysctls map[string]string) {
	for name, need := range map[string]bool{
		"net.ipv4.vs.conntrack":          n.conntrack,
		"net.ipv4.conf.all.accept_local": n.acceptLocal,
		"net.ipv4.ip_forward":            n.forward4,
		"net.ipv6.conf.all.forwarding":   n.forward6,
	} {
		if need {
			sysctls[name] = "1"
		}
	}
}

func (d *Director) keepSysctls(s *Settings, events *[]Event) ([]SettingStatus, error) {
	if d.options.Sysctl == nil {
		return nil, nil
	}
	want := d.wantedSysctls(s)
	var status []SettingStatus
	var errs []error
	different := map[string]string{} // as they are
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, err := d.sysctl(name)
		if err != nil {
			errs = append(errs, err)
		} else if value != want[name] {
			different[name] = value
		}
		status = append(status, SettingStatus{Name: name, Value: value, Wanted: want[name]})
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
func (d *Director) repaired(name, found, want string, events *[]Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := slices.ContainsFunc(d.inForce, func(s SettingStatus) bool { return s.Name == name && s.Value == want && s.Wanted == want })
	if !left {
		return
	}
	d.stats.DriftRepairs++
	*events = append(*events, Event{Time: time.Now(), Kind: EventDrift, From: found, To: want,
		Reason: fmt.Sprintf("%s was set to %s by somebody else; it is %s again", name, found, want)})
}

// rememberSysctls notes how settings are that are about to be changed, but for those that
// were changed before.
func (d *Director) rememberSysctls(now map[string]string) {
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
func (d *Director) releaseSysctls(want map[string]string) error {
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
func (d *Director) released(want map[string]string) map[string]string {
	out := map[string]string{}
	for name, before := range d.memory.Sysctls {
		if _, wanted := want[name]; !wanted && strings.HasPrefix(name, "net.ipv4.vs.") && name != "net.ipv4.vs.conntrack" {
			out[name] = before
		}
	}
	return out
}

// setSysctl writes one setting and gives the value it has after.
func (d *Director) setSysctl(s *Settings, name, old, want string) (string, error) {
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
