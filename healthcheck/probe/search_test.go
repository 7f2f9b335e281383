package probe

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/healthcheck"
)

// TestSearch: what is found is what package regexp finds, and nothing once the context
// has ended, not even an end of the text.
func TestSearch(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	text := strings.Repeat("a", 2*searchStride) + "b\xff"
	for _, p := range []string{"b", "^a+", "a$", "b.$", "\\Aa+\\z", "c"} {
		pattern := regexp.MustCompile(p)
		want := pattern.FindStringIndex(text)
		if got, err := searchWhole(t.Context(), pattern, []byte(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: at %v, %v; want %v", p, got, err, want)
		}
		if got, err := searchWhole(ended, pattern, []byte(text)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s after the end: at %v, %v", p, got, err)
		}
	}
}

// TestSearchInPart: in a text that may go on, a match counts if nothing that may follow
// takes it back.
func TestSearchInPart(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		found         bool
	}{
		{"slave", "role:slave", true},
		{"sla.*", "role:slave", true},
		{"slave$", "role:slave", false},
		{"slave$", "role:slave_expects", false},
		{`slave\z`, "role:slave", false},
		{"(?m)slave$", "role:slave", false},
		{"(?m)slave$", "role:slave\n", true},
		{`\bok\b`, "ok", false},
		{`\bok\b`, "ok\r", true},
		{`^(ok|fine$)`, "ok ", true},
		{"master", "role:slave", false},
	} {
		at, err := searchPart(t.Context(), regexp.MustCompile(tc.pattern), []byte(tc.text))
		if err != nil || (at != nil) != tc.found {
			t.Errorf("%s in %q: at %v, %v; want %t", tc.pattern, tc.text, at, err, tc.found)
		}
	}
}

// TestOffTheLoop: what may take long to judge holds no other check up.
func TestOffTheLoop(t *testing.T) {
	for _, tc := range []struct {
		http healthcheck.HTTP
		lean bool
	}{
		{healthcheck.HTTP{ExpectBody: "ok", ExpectBodySHA256: strings.Repeat("0", 64)}, true},
		{healthcheck.HTTP{ExpectBodyRegex: "ok"}, false},
		{healthcheck.HTTP{RejectBodyRegex: "ok"}, false},
		{healthcheck.HTTP{ExpectJSON: []healthcheck.JSONExpect{{Path: "a", Value: "b"}}}, false},
	} {
		c := &healthcheck.Check{Type: healthcheck.TypeHTTP, HTTP: &tc.http}
		if got := onLoop(healthcheck.Job{Check: c}) != nil; got != tc.lean {
			t.Errorf("%+v on the loop: %t", tc.http, got)
		}
	}
}
