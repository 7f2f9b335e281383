package http

import (
	"net/http"
	"testing"
)

// TestFresh: an ETag of a list that changed within the second before it was sent is not
// asked by: nginx gives the next change within that second the same one.
func TestFresh(t *testing.T) {
	const sent = "Mon, 30 Nov 2026 17:39:21 GMT"
	for changed, want := range map[string]bool{
		"":                              false, // an ETag of the content
		sent:                            true,
		"Mon, 30 Nov 2026 17:39:20 GMT": true,
		"Mon, 30 Nov 2026 17:39:19 GMT": false,
		"Mon, 30 Nov 2026 17:40:00 GMT": true, // its clock runs ahead of itself
	} {
		if got := fresh(http.Header{"Last-Modified": {changed}, "Date": {sent}}); got != want {
			t.Errorf("changed %q: %t", changed, got)
		}
	}
	if !fresh(http.Header{"Last-Modified": {sent}}) {
		t.Error("sent at an unknown time")
	}
}
