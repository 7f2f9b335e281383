package engine

import (
	"slices"
	"time"

	"usher/director/ipvs"
)

// spotCheck has the whole table compared if what is looked at of it is not as it was left; it
// tells whether the settings are not.
func (s *state) spotCheck(now time.Time) (settings bool) {
	look := &s.schedule
	if look.table.due(now) {
		disturbed := s.tableDisturbed()
		if disturbed {
			look.resync = now
		}
		look.table.looked(now, disturbed, look.every)
	}
	if look.others.due(now) {
		wanted := s.settings.wanted
		settings = s.settings.disturbed() || wanted != nil && wanted.Sync != nil && s.sync.disturbed()
		look.others.looked(now, settings, look.every)
	}
	return settings
}

// tableDisturbed tells whether the table, or of a large one the services whose turn it is,
// is not as it was left: as many as can be looked at in the share of the time that the
// whole would have taken. A kernel that does not say is worth a look at everything, except
// where it is asked again anyway since it refused something.
func (s *state) tableDisturbed() bool {
	if s.reading*spare <= firstLook {
		s.step()
		have, err := s.read()
		if err != nil {
			return s.schedule.backoff == 0
		}
		return s.table.disturbed(have)
	}
	began := time.Now()
	for range s.pools.order {
		key, ok := s.nextSpotCheck()
		left, there := s.table.entries[key]
		if !ok || !there {
			continue
		}
		s.step()
		found, there, err := s.kernel.Entry(key)
		if err != nil {
			return s.schedule.backoff == 0
		}
		if !there || !same(left, found) {
			return true
		}
		if time.Since(began)*spare >= firstLook {
			break
		}
	}
	return false
}

// nextSpotCheck gives the service whose turn it is; false where there is none.
func (s *state) nextSpotCheck() (ipvs.ServiceKey, bool) {
	order := s.pools.order
	if len(order) == 0 {
		return ipvs.ServiceKey{}, false
	}
	turn := s.turn
	s.turn++
	keys := order[turn%len(order)].pool.Config().Keys
	return keys[turn/len(order)%len(keys)], true
}

func sortKeys(keys []ipvs.ServiceKey) { slices.SortFunc(keys, ipvs.ServiceKey.Compare) }
