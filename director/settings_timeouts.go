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
// they no longer give.
func (d *Director) keepTimeouts(s *Settings) error {
	d.mu.Lock()
	before := d.memory.Timeouts
	d.mu.Unlock()
	if before == nil && s.timeouts(ipvs.Timeouts{}) == (ipvs.Timeouts{}) {
		return nil
	}
	have, err := d.options.Kernel.Timeouts()
	if err != nil {
		return fmt.Errorf("director: read the IPVS timeouts: %w", err)
	}
	want := s.timeouts(have)
	if before != nil {
		want = s.timeouts(*before)
	}
	if want == have {
		return nil
	}
	d.mu.Lock()
	if d.memory.Timeouts == nil {
		d.memory.Timeouts = &have
		d.persist()
	}
	d.mu.Unlock()
	if err := d.options.Kernel.SetTimeouts(want); err != nil {
		return fmt.Errorf("director: set the IPVS timeouts: %w", err)
	}
	return nil
}
