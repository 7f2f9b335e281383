package discover

import "time"

// Pace says when a source is asked next. The zero value is before the first question.
type Pace struct {
	pause time.Duration // after the latest failure; 0 after a success
}

// Next is the pause after an answer that came at a time since some beginning, which all
// sources have in common. chance is 0..1: a tenth of the pause is left to it, so that many
// sources that were asked at once are not asked at once for ever; see together.
func (p *Pace) Next(s *Source, a Answer, since time.Duration, chance float64) time.Duration {
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
	return together(min(max(wait, s.MinInterval), s.Interval), since, chance)
}

// The steps in which sources are due. Those that are shorter are halves, so that a time
// that is due by a longer step is due by every shorter one, too.
const (
	longestStep  = time.Second
	shortestStep = time.Millisecond
)

// together is a pause of nine tenths of wait at least, which ends on a step: where there are
// many sources it is the waking up for each that costs, so they are asked some at a time. A
// step is a twentieth of wait at most, and one is always within the tenth.
func together(wait, since time.Duration, chance float64) time.Duration {
	pause := wait - time.Duration(chance*float64(wait)/10)
	step := longestStep
	for step > wait/20 {
		if step /= 2; step < shortestStep {
			return pause
		}
	}
	pause -= (since + pause) % step
	if pause < wait-wait/10 {
		pause += step
	}
	return pause
}
