package engine

import (
	"fmt"

	"usher/director"
	"usher/director/ipvs"
)

// keepTimeouts sets the timeouts that the settings give, and puts back those that
// they no longer give. It gives how those stand that usher looks after.
func (d *Engine) keepTimeouts(s *director.Settings, events *[]director.Event) ([]director.SettingStatus, error) {
	d.mu.Lock()
	before := d.memory.Timeouts
	d.mu.Unlock()
	if before == nil && s.Timeouts(ipvs.Timeouts{}) == (ipvs.Timeouts{}) {
		return nil, nil
	}
	have, err := d.options.Kernel.Timeouts()
	if err != nil {
		return nil, fmt.Errorf("director: read the IPVS timeouts: %w", err)
	}
	want := s.Timeouts(have)
	if before != nil {
		want = s.Timeouts(*before)
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

func timeoutStatus(have, want ipvs.Timeouts, before *ipvs.Timeouts) []director.SettingStatus {
	status := make([]director.SettingStatus, 0, len(timeoutNames))
	for _, n := range timeoutNames {
		one := director.SettingStatus{Name: n.name, Value: inSeconds(n.of(have)), Wanted: inSeconds(n.of(want))}
		if before != nil && n.of(*before) != n.of(have) {
			one.Before = inSeconds(n.of(*before))
		}
		status = append(status, one)
	}
	return status
}

func inSeconds(n uint32) string { return fmt.Sprintf("%ds", n) }
