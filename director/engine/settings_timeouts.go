package engine

import (
	"fmt"

	"usher/director"
	"usher/director/ipvs"
)

// keepTimeouts sets the timeouts that the settings give, and puts back those that
// they no longer give. It gives how those stand that usher looks after.
func (s *settings) keepTimeouts() ([]director.SettingStatus, error) {
	before := s.memory.Timeouts
	if before == nil && s.wanted.Timeouts(ipvs.Timeouts{}) == (ipvs.Timeouts{}) {
		return nil, nil
	}
	have, err := s.kernel.Timeouts()
	if err != nil {
		return nil, fmt.Errorf("director: read the IPVS timeouts: %w", err)
	}
	want := s.wanted.Timeouts(have)
	if before != nil {
		want = s.wanted.Timeouts(*before)
	}
	if want != have {
		if before == nil {
			was := have
			before, s.memory.Timeouts = &was, &was
			s.memory.keep()
		}
		if err = s.kernel.SetTimeouts(want); err != nil {
			err = fmt.Errorf("director: set the IPVS timeouts: %w", err)
		} else {
			for _, n := range timeoutNames {
				if found, to := n.of(have), n.of(want); found != to {
					s.repaired(n.name, inSeconds(found), inSeconds(to))
				}
			}
			have = want
		}
	}
	s.timeouts = have
	return timeoutStatus(have, want, before), err
}

func (s *settings) restoreTimeouts() error {
	if s.memory.Timeouts == nil {
		return nil
	}
	if err := s.kernel.SetTimeouts(*s.memory.Timeouts); err != nil {
		return fmt.Errorf("director: put the IPVS timeouts back: %w", err)
	}
	s.memory.Timeouts = nil
	return nil
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
