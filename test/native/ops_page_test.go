package native

import (
	"strings"
	"testing"

	"usher/test/browser"
	"usher/test/lab/labtest"
)

// TestPage: what the page of each director shows equals `usher status --json`, it
// turns with a takeover without being loaded again, and says when nobody answers.
func TestPage(t *testing.T) {
	l, a, b := pair(t)
	ctx := browser.Visit(t, labtest.Doorway(t, l.B))
	browser.Show(t, ctx, `.live [data-instance=web][data-state=backup]`)
	status := func() ([]byte, error) {
		out, err := l.B.Usher(t.Context(), "status", "--json")
		return []byte(out), err
	}
	browser.Same(t, ctx, status)

	labtest.Must(t, a.Stop())
	browser.Show(t, ctx, `[data-instance=web][data-state=active]`)
	browser.Show(t, ctx, `#events li`)
	browser.Same(t, ctx, status)
	if title := browser.Evaluate[string](t, ctx, `document.title`); !strings.Contains(title, "active for web") {
		t.Errorf("title %q", title)
	}
	browser.Shoot(t, ctx, "takeover")

	labtest.Must(t, b.Stop())
	browser.Show(t, ctx, `.lost #linktext`)
	browser.Once(t, ctx)
}
