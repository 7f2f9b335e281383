package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"regexp/syntax"
	"slices"
)

// search finds a pattern's first match in a text, nil where it has none. That takes
// time by both their lengths, seconds at worst, so it ends with ctx. firm says that a
// match stays one however the text goes on: it does not depend on where that ends.
func search(ctx context.Context, pattern *regexp.Regexp, text []byte) (at []int, firm bool, _ error) {
	r := &searched{Reader: bytes.NewReader(text), ctx: ctx}
	found := pattern.FindReaderIndex(r)
	if r.stopped == nil {
		return found, found != nil && (found[1] < len(text) || !looksAtEnds(pattern)), nil
	}
	// What was found may be an end of the text that is none.
	if errors.Is(r.stopped, context.DeadlineExceeded) {
		return nil, false, judge("to look through the %d bytes of the answer for %s takes longer than the timeout", len(text), quote(pattern.String()))
	}
	return nil, false, r.stopped
}

// searchWhole is search in a text that is whole.
func searchWhole(ctx context.Context, pattern *regexp.Regexp, text []byte) ([]int, error) {
	at, _, err := search(ctx, pattern, text)
	return at, err
}

// searchPart is search in the beginning of a text: a match that may be none in the whole
// is left out.
func searchPart(ctx context.Context, pattern *regexp.Regexp, text []byte) ([]int, error) {
	at, firm, err := search(ctx, pattern, text)
	if !firm {
		at = nil
	}
	return at, err
}

// looksAtEnds says that a pattern asks for an end of the text, a line or a word.
func looksAtEnds(pattern *regexp.Regexp) bool {
	tree, err := syntax.Parse(pattern.String(), syntax.Perl)
	return err != nil || asksForEnd(tree)
}

func asksForEnd(r *syntax.Regexp) bool {
	switch r.Op {
	case syntax.OpEndText, syntax.OpEndLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	return slices.ContainsFunc(r.Sub, asksForEnd)
}

// searched is a text that is over when ctx is.
type searched struct {
	*bytes.Reader
	ctx     context.Context
	read    int
	stopped error // by ctx
}

// searchStride is how many runes are read between two looks at ctx: a pattern as long
// as package regexp allows takes some 10 µs for each.
const searchStride = 256

func (s *searched) ReadRune() (rune, int, error) {
	if s.read++; s.read%searchStride == 0 {
		if s.stopped = s.ctx.Err(); s.stopped != nil {
			return 0, 0, io.EOF
		}
	}
	return s.Reader.ReadRune()
}
