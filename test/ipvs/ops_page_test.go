package ipvs

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"usher/test/browser"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// Scripts that tell what the page shows of the pool: whether every server has
// connections, new ones too, and whether the small graph has values.
const (
	pageBusy = `[...document.querySelectorAll('[data-vs=web] [data-rs]')].every(r =>
		['Active', 'New / s'].every(label => r.querySelector('td[data-label="' + label + '"]').textContent > 0))`
	pageGraph = `/at most [1-9]/.test(document.querySelector('[data-vs=web] summary .spark').getAttribute('aria-label')) &&
		document.querySelector('[data-vs=web] summary .spark path:last-child').getAttribute('d').includes('L')`
	pageColour = `getComputedStyle(document.querySelector('[data-rs=%q] .pill')).color`
)

// TestStatusPage: the page of a director that serves. What it shows of a real table
// and real servers equals `usher status --json`; a real server that is killed turns
// red, and green once it is back, and the page is not loaded again.
func TestStatusPage(t *testing.T) {
	s := served(t, suite.Alone(t, "nat"))
	text, err := os.ReadFile(s.file)
	labtest.Must(t, err)
	// Without persistence each server gets connections of one client.
	s.file = labtest.File(t, s.A, "usher.hcl", strings.Replace(string(text), `persistence    = "600s"`, "", 1))
	s.startA(t)
	s.startB(t)
	status := func() ([]byte, error) {
		out, err := s.A.Usher(t.Context(), "status", "--json")
		return []byte(out), err
	}

	ctx := browser.Visit(t, labtest.Doorway(t, s.A))
	for _, rip := range s.rips {
		browser.Show(t, ctx, fmt.Sprintf(`.live [data-vs=web][data-state=up] [data-rs=%q][data-state=up] .pill.good`, rip))
	}
	browser.Same(t, ctx, status)

	for range s.rips {
		s.talk(t)
	}
	load := s.Client.Load(lab.Service, len(s.rips), 100*time.Millisecond, page)
	browser.Until(t, ctx, pageBusy)
	browser.Until(t, ctx, pageGraph)
	browser.Shoot(t, ctx, "lab")
	lost, story := load.Stop()
	t.Log(story)
	if lost > 0 {
		t.Errorf("%d connection attempts were lost", lost)
	}
	browser.Same(t, ctx, status)
	s.expectTable(t, s.A)

	s.webs[1].Reap()
	browser.Show(t, ctx, fmt.Sprintf(`[data-vs=web][data-state=up] [data-rs=%q][data-state=down] .pill.bad`, s.rips[1]))
	browser.Show(t, ctx, `#events .warning-line`)
	red := browser.Evaluate[string](t, ctx, fmt.Sprintf(pageColour, s.rips[1]))
	if green := browser.Evaluate[string](t, ctx, fmt.Sprintf(pageColour, s.rips[0])); red == green {
		t.Errorf("a dead server looks like a living one: %s", red)
	}
	browser.Same(t, ctx, status)
	s.expectTable(t, s.A)
	browser.Shoot(t, ctx, "lab-server-killed")
	browser.Dark(t, ctx)
	browser.Shoot(t, ctx, "lab-server-killed-dark")
	browser.Phone(t, ctx)
	browser.Shoot(t, ctx, "lab-server-killed-phone")

	s.webs[1], err = s.Real[1].Web(t.Context())
	labtest.Must(t, err)
	browser.Show(t, ctx, fmt.Sprintf(`[data-rs=%q][data-state=up] .pill.good`, s.rips[1]))
	browser.Same(t, ctx, status)
	s.expectTable(t, s.A)
	browser.Once(t, ctx)
}
