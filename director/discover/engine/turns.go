package engine

import (
	"context"

	"usher/director/discover"
)

// atOnce is how many sources are asked at one time of one place: of the same DNS servers,
// host or folder.
const atOnce = 64

// turns bound how many sources are asked at one time. Each place has its own: where one
// hangs, the sources of all others are asked all the same.
type turns map[string]chan struct{}

// of gives the turns of a source's place.
func (t turns) of(s *discover.Source) chan struct{} {
	place := s.Place()
	if t[place] == nil {
		t[place] = make(chan struct{}, atOnce)
	}
	return t[place]
}

// keep forgets the places that none of some sources is at.
func (t turns) keep(configs []discover.Config) {
	there := map[string]bool{}
	for _, c := range configs {
		for i := range c.Sources {
			there[c.Sources[i].Place()] = true
		}
	}
	for place := range t {
		if !there[place] {
			delete(t, place)
		}
	}
}

// take waits for a turn; ok is false where ctx ends first. Else the turn is to be given
// back.
func take(ctx context.Context, turn chan struct{}) (give func(), ok bool) {
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, true
	case <-ctx.Done():
		return nil, false
	}
}
