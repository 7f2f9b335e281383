package director

import (
	"fmt"
	"time"

	"usher/director/ipvs"
)

func seconds(t time.Duration) uint32 { return uint32((t + time.Second - 1) / time.Second) }

// timeouts gives have with those that the settings give.
func (s *Settings) timeouts(have ipvs.Timeouts) ipvs.Timeouts {
	for _, one := range []struct {
		to   *uint32
		from time.Duration
	}{{&have.TCP, s.TCPTimeout}, {&have.TCPFin, s.TCPFinTimeout}, {&have.UDP, s.UDPTimeout}} {
		if one.from != 0 {
			*one.to = seconds(one.from)
		}
	}
	return have
}

// keepTimeouts sets the timeouts that the settings give, and puts back those that
// they no longer give. It gives how those stand that usher looks after.
func (d *Director) keepTimeouts(s *Settings, events *[]Event) ([]SettingStatus, error) {
	d.mu.Lock()
	before := d.memory.Timeouts
	d.mu.Unlock()
	if before == nil && s.timeouts(ipvs.Timeouts{}) == (ipvs.Timeouts{}) {
		return nil, nil
	}
	have, err := d.options.Kernel.Timeouts()
	if err != nil {
		return nil, fmt.Errorf("director: read the IPVS timeouts: %w", err)
	}
	want := s.timeouts(have)
	if before != nil {
		want = s.timeouts(*before)
	}
	if want != have {
		d.mu.Lock()
		if d.memory.Timeouts == nil {
			was := have
			before, d.memory.Timeouts = &was, &was
			d.persist()
		}
		d.mu.Unlock()
		if err = d.options.Kernel.SetTimeouts(want); err != nil {
			err = fmt.Errorf("director: set the IPVS timeouts: %w", err)
		} else {
			for _, n := range timeoutNames {
				if found, to := n.of(have), n.of(want); found != to {
					d.repaired(n.name, inSeconds(found), inSeconds(to), events)
				}
			}
			have = want
		}
	}
	d.loop.timeouts = have
	return timeoutStatus(have, want, before), err
}

// timeoutNames are the timeouts by the configuration's names.
var timeoutNames = []struct {
	name string
	of   func(ipvs.Timeouts) uint32
}{
	{"tcp_timeout", func(t ipvs.Timeouts) uint32 { return t.TCP }},
	{"tcp_fin_timeout", func(t ipvs.Timeouts) uint32 { return t.TCPFin }},
	{"udp_timeout", func(t ipvs.Timeouts) uint32 { return t.UDP }},
}

func timeoutStatus(have, want ipvs.Timeouts, before *ipvs.Timeouts) []SettingStatus {
	status := make([]SettingStatus, 0, len(timeoutNames))
	for _, n := range timeoutNames {
		one := SettingStatus{Name: n.name, Value: inSeconds(n.of(have)), Wanted: inSeconds(n.of(want))}
		if before != nil && n.of(*before) != n.of(have) {
			one.Before = inSeconds(n.of(*before))
		}
		status = append(status, one)
	}
	return status
}

func inSeconds(n uint32) string { return fmt.Sprintf("%ds", n) }
