package discover

import "time"

// Pace says when a source is asked next. The zero value is before the first question.
type Pace struct {
	pause time.Duration // after the latest failure; 0 after a success
}

// Next is the pause after an answer. chance is 0..1: a tenth of the pause is left to it,
// so that many sources that were asked at once are not asked at once for ever.
func (p *Pace) Next(s *Source, a Answer, chance float64) time.Duration {
	wait := s.Interval
	switch {
	case a.Failure != nil:
		p.pause = min(max(2*p.pause, s.MinInterval), s.Interval)
		wait = p.pause
		if a.TTL > 0 { // of a negative answer
			wait = max(wait, a.TTL)
		}
	default:
		p.pause = 0
		if a.TTL > 0 {
			wait = a.TTL
		}
	}
	wait = min(max(wait, s.MinInterval), s.Interval)
	return wait - time.Duration(chance*float64(wait)/10)
}
