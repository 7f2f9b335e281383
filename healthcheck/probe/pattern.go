package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
)

// search finds a pattern's first match in a text, nil where it has none. That takes
// time by both their lengths, seconds at worst, so it ends with ctx.
func search(ctx context.Context, pattern *regexp.Regexp, text []byte) ([]int, error) {
	r := &searched{Reader: bytes.NewReader(text), ctx: ctx}
	found := pattern.FindReaderIndex(r)
	if r.ended == nil {
		return found, nil
	}
	// What was found may be an end of the text that is none.
	if errors.Is(r.ended, context.DeadlineExceeded) {
		return nil, judge("to look through the %d bytes of the answer for %s takes longer than the timeout", len(text), quote(pattern.String()))
	}
	return nil, r.ended
}

// searched is a text that is over when ctx is.
type searched struct {
	*bytes.Reader
	ctx   context.Context
	read  int
	ended error
}

// searchStride is how many runes are read between two looks at ctx: a pattern as long
// as package regexp allows takes some 10 µs for each.
const searchStride = 256

func (s *searched) ReadRune() (rune, int, error) {
	if s.read++; s.read%searchStride == 0 {
		if s.ended = s.ctx.Err(); s.ended != nil {
			return 0, 0, io.EOF
		}
	}
	return s.Reader.ReadRune()
}
