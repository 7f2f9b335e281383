package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/director"
	"usher/director/ipvs"
)

// settings are the kernel's sysctls and timeouts as the configuration wants them.
type settings struct {
	log     *slog.Logger
	kernel  director.Kernel
	sysctls Sysctl // nil where they are not handled
	// interfaces is as in Options.
	interfaces func([]netip.Addr) []string
	memory     *memory
	journal    *journal
	wanted     *director.Settings       // nil until Configure
	inForce    []director.SettingStatus // as last looked at; replaced, never changed
	timeouts   ipvs.Timeouts            // as last left
	stale      bool                     // something else may be wanted than when last looked at
}

// due tells, once, whether something else may be wanted.
func (s *settings) due() bool {
	stale := s.stale
	s.stale = false
	return stale
}

// keep brings sysctls and timeouts to what is wanted. What was there before is remembered
// before it is changed.
func (s *settings) keep(servers iter.Seq[*director.VirtualServer]) error {
	sysctls, err := s.keepSysctls(servers)
	timeouts, late := s.keepTimeouts()
	s.inForce = slices.Concat(sysctls, timeouts)
	for _, err := range []error{err, late} {
		if err != nil {
			s.journal.report(err, "", time.Now())
		}
	}
	return errors.Join(err, late)
}

func (s *settings) keepSysctls(servers iter.Seq[*director.VirtualServer]) ([]director.SettingStatus, error) {
	if s.sysctls == nil {
		return nil, nil
	}
	want := sysctlsOf(s.wanted, servers, s.interfaces)
	syncWants(s.wanted, s.sysctls, s.memory.Sysctls, want)
	var status []director.SettingStatus
	var errs []error
	different := map[string]string{} // as they are
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, err := readSysctl(s.sysctls, name)
		if gone(name, err) {
			continue // with its interface
		}
		if err != nil {
			errs = append(errs, err)
		} else if value != want[name] {
			different[name] = value
		}
		status = append(status, director.SettingStatus{Name: name, Value: value, Wanted: want[name]})
	}
	if s.wanted.ManageSysctls {
		s.remember(different)
	}
	for i := range status {
		name := status[i].Name
		if _, is := different[name]; is {
			var err error
			if status[i].Value, err = s.set(name, status[i].Value, want[name]); err == nil {
				s.repaired(name, different[name], want[name])
			}
			errs = append(errs, err)
		}
		status[i].Before = s.memory.Sysctls[name]
	}
	return status, errors.Join(append(errs, s.release(want))...)
}

// Names of the settings of an interface begin and end like this.
const ofInterface, forwarding = "net.ipv4.conf.", ".forwarding"

// sysctlsOf are the settings that a configuration asks for and that servers cannot work
// without, those of the interfaces towards them included.
func sysctlsOf(c *director.Settings, servers iter.Seq[*director.VirtualServer], interfaces func([]netip.Addr) []string) map[string]string {
	want := c.Sysctls(servers)
	if interfaces == nil {
		return want
	}
	if all := director.Returning(servers); len(all) > 0 {
		for _, name := range interfaces(all) {
			// Where dots separate, one in a name is written as a slash.
			want[ofInterface+strings.ReplaceAll(name, ".", "/")+forwarding] = "1"
		}
	}
	return want
}

// gone says that a setting is of an interface that is not there.
func gone(name string, err error) bool {
	return errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, ofInterface) && strings.HasSuffix(name, forwarding)
}

// readSysctl reads a setting; one of several numbers has a space between them.
func readSysctl(sysctls Sysctl, name string) (string, error) {
	value, err := sysctls.Get(name)
	return strings.Join(strings.Fields(value), " "), err
}

// set writes one setting and gives the value it has after.
func (s *settings) set(name, old, want string) (string, error) {
	if !s.wanted.ManageSysctls {
		return old, fmt.Errorf("director: %s is %s but %s is needed: sysctl -w %s=%s, or manage_sysctls = true",
			name, old, want, name, want)
	}
	if err := s.sysctls.Set(name, want); err != nil {
		return old, fmt.Errorf("director: set %s to %s: %w", name, want, err)
	}
	s.log.Info("kernel setting changed", "name", name, "from", old, "to", want)
	return want, nil
}

// repaired tells of a setting that was put right, if it had been left as it is wanted.
func (s *settings) repaired(name, found, want string) {
	left := slices.ContainsFunc(s.inForce, func(s director.SettingStatus) bool { return s.Name == name && s.Value == want && s.Wanted == want })
	if !left {
		return
	}
	s.journal.repaired(director.Event{Time: time.Now(), Kind: director.EventDrift, From: found, To: want,
		Reason: fmt.Sprintf("%s was set to %s by somebody else; it is %s again", name, found, want)})
}

// remember notes how settings are that are about to be changed, but for those that were
// changed before.
func (s *settings) remember(now map[string]string) {
	if s.memory.Sysctls == nil {
		s.memory.Sysctls = map[string]string{}
	}
	before := len(s.memory.Sysctls)
	for name, value := range now {
		if _, known := s.memory.Sysctls[name]; !known {
			s.memory.Sysctls[name] = value
		}
	}
	if len(s.memory.Sysctls) > before {
		s.memory.keep()
	}
}

// release puts back the settings of IPVS that the configuration gave and no longer gives.
// Those that forward methods need stay until the end: connections of before may still
// live by them.
func (s *settings) release(want map[string]string) error {
	var errs []error
	for name, before := range released(s.memory.Sysctls, want) {
		if err := s.sysctls.Set(name, before); err != nil {
			errs = append(errs, fmt.Errorf("director: put %s back: %w", name, err))
			continue
		}
		s.log.Info("kernel setting put back", "name", name, "to", before)
		delete(s.memory.Sysctls, name)
		s.memory.keep()
	}
	return errors.Join(errs...)
}

// released are the settings that release puts back, and to what.
func released(changed, want map[string]string) map[string]string {
	out := map[string]string{}
	for name, before := range changed {
		if _, wanted := want[name]; !wanted && strings.HasPrefix(name, "net.ipv4.vs.") && name != "net.ipv4.vs.conntrack" {
			out[name] = before
		}
	}
	return out
}

// disturbed tells whether a sysctl or a timeout is not as it was left. What cannot be read
// is as it was.
func (s *settings) disturbed() bool {
	timeouts := false
	for _, left := range s.inForce {
		if !strings.Contains(left.Name, ".") {
			timeouts = true
			continue
		}
		if value, err := readSysctl(s.sysctls, left.Name); err == nil && value != left.Value {
			return true
		}
	}
	if !timeouts {
		return false
	}
	have, err := s.kernel.Timeouts()
	return err == nil && have != s.timeouts
}

// restore puts back what was changed.
func (s *settings) restore() error { return errors.Join(s.restoreTimeouts(), s.restoreSysctls()) }

func (s *settings) restoreSysctls() error {
	if s.sysctls == nil {
		return nil
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.memory.Sysctls)) {
		if err := s.sysctls.Set(name, s.memory.Sysctls[name]); err != nil && !gone(name, err) {
			errs = append(errs, fmt.Errorf("director: put %s back: %w", name, err))
			continue
		}
		delete(s.memory.Sysctls, name)
	}
	return errors.Join(errs...)
}
