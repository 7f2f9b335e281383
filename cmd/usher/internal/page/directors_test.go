package page_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"usher/cmd/usher/internal/api"
	"usher/test/browser"
)

// group is this director among three: the second is heard, the third was once.
func group() *api.Directors {
	since, heard, old := time.Now().Add(-time.Hour), time.Now(), time.Now().Add(-5*time.Minute)
	role := func(state string, priority int) []api.DirectorRole {
		return []api.DirectorRole{{Name: "web", State: state, VirtualRouterID: 51, Priority: priority, Since: since}}
	}
	none := []api.DirectorServer{}
	return &api.Directors{
		Self: "lb1", BothActive: []api.BothActive{}, Differences: []api.Difference{}, Refused: map[string]uint64{},
		Directors: []api.Director{
			{Name: "lb1", Address: "192.168.60.2:7946", Self: true, Up: true, Since: since, Version: "1.0.0", Instances: role("active", 150), RealServers: 12, RealServersUp: 12, Down: none, Differs: []string{}},
			{Name: "lb2", Address: "192.168.60.3:7946", Up: true, Since: since, Heard: &heard, Version: "1.0.0", Instances: role("backup", 100), RealServers: 12, RealServersUp: 11,
				Down:    []api.DirectorServer{{VirtualServer: "pool1", RealServer: "10.0.1.2:80", State: "down", Reason: "http: connection refused", Since: since}},
				Differs: []string{"virtual_server pool1"}},
			{Name: "lb3", Address: "192.168.60.4:7946", Why: "does not answer", Since: old, Heard: &old, Version: "0.9.0", Instances: role("backup", 50), Down: none, Differs: []string{}},
		},
	}
}

// TestDirectors: every director in one view, with what differs and how old it is; an
// instance that is active twice cannot be overlooked; and nothing of it where there are no
// others.
func TestDirectors(t *testing.T) {
	s := status(3, 4)
	f := open(t, s)
	if f.text(t, `String(document.getElementById('directorsection').checkVisibility())`) != "false" {
		t.Error("directors are shown where none are known")
	}
	f.Change(func(s *api.Status) { s.Directors = group() })
	f.do(t, chromedp.WaitVisible(chromedp.CSS(`[data-director=lb2][data-state=up]`)))
	const cards = `[...document.querySelectorAll('[data-director]')].map(e => e.innerText.replace(/\s+/g, ' ')).join('\n')`
	got := f.text(t, cards)
	for _, want := range []string{
		"lb1 up this director active web priority 150 Real servers 12 of 12 up Version 1.0.0 Address 192.168.60.2:7946\n",
		"lb2 up heard backup web priority 100 Real servers 11 of 12 up Down pool1 10.0.1.2:80 Differs virtual_server pool1 Version",
		"lb3 absent 5m0", "since it was heard; what is shown is as old. does not answer was backup web priority 50 Version 0.9.0",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
	f.Change(func(s *api.Status) {
		s.Directors = group()
		s.Directors.Directors[1].Instances[0].State = "active"
		s.Directors.BothActive = []api.BothActive{{Instance: "web", Directors: []string{"lb1", "lb2"}}}
		s.Warnings = []api.Warning{
			{Severity: "error", Kind: "peer_active", Subject: "web", Text: "lb1 and lb2 are active at the same time", Since: time.Now()},
			{Severity: "warning", Kind: "config_differs", Subject: "pool1", Text: "virtual_server pool1 differs on lb2: not all directors have the same file", Since: time.Now()},
		}
	})
	f.do(t, chromedp.WaitVisible(chromedp.CSS(`#bothactive [data-instance-twice=web]`)),
		chromedp.WaitVisible(chromedp.CSS(`.card.bad[data-director=lb1] .pill.bad`)), chromedp.WaitVisible(chromedp.CSS(`.card.bad[data-director=lb2] .pill.bad`)))
	for _, width := range []int64{390, 768, 1360} {
		f.do(t, chromedp.EmulateViewport(width, 1400))
		if bad := f.text(t, misplaced); bad != "" {
			t.Errorf("%d px wide:\n%s", width, bad)
		}
	}
	for _, theme := range []string{"light", "dark"} {
		if faint := f.text(t, `useTheme('`+theme+`'); `+contrast); faint != "" {
			t.Errorf("%s: less contrast than 4.5:\n%s", theme, faint)
		}
	}
	browser.Shoot(t, f.ctx, "directors")
	f.Change(func(s *api.Status) {
		s.Directors.Directors = s.Directors.Directors[:2]
		s.Directors.BothActive = []api.BothActive{}
	})
	f.do(t, chromedp.WaitNotPresent(chromedp.CSS(`[data-director=lb3]`)), chromedp.WaitNotPresent(chromedp.CSS(`#bothactive .warning`)))
}
