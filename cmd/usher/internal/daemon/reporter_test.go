package daemon

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/conf"
	"usher/director"
	"usher/healthcheck"
	"usher/healthcheck/redact"
	"usher/vrrp"
)

// Doubles of the parts, as far as they are read.
type (
	readVRRP struct {
		VRRP
		list []vrrp.Status
	}
	readChecks   struct{ Checks }
	readDirector struct {
		Director
		stats    director.Stats
		warnings []director.Warning
	}
)

func (v readVRRP) Status() []vrrp.Status                { return v.list }
func (readChecks) Statuses() []healthcheck.Status       { return nil }
func (readChecks) Stats() healthcheck.Stats             { return healthcheck.Stats{Started: 7} }
func (d readDirector) Stats() director.Stats            { return d.stats }
func (d readDirector) Warnings() []director.Warning     { return d.warnings }
func (readDirector) Settings() []director.SettingStatus { return nil }
func (readDirector) Status() []director.VirtualServerStatus {
	return []director.VirtualServerStatus{{Name: "web"}}
}

func newReporter() *reporter {
	return &reporter{
		version: "test", current: &current{}, secrets: &redact.Live{}, history: newHistory(),
		ring:     events.NewRing(0, events.Numbering(time.Now())),
		machine:  Machine{NeighbourLimit: func(bool) (int, error) { return 1024, nil }, ARPIgnore: func(string) (int, error) { return 0, nil }},
		silenced: func() []director.Warning { return nil },
	}
}

// TestReportOfNothing: what programs read has its lists and its verdict before anything runs.
func TestReportOfNothing(t *testing.T) {
	r := newReporter()
	s := r.Status()
	if s.Instances == nil || s.VirtualServers == nil || s.Warnings == nil || s.Reload != nil {
		t.Errorf("lists that are no lists: %+v", s)
	}
	if h := r.Health(); h.OK || !slices.Equal(h.Problems, []string{"usher is starting or stopping"}) {
		t.Errorf("health %+v", h)
	}
	if !r.DirectorStats().Busy.IsZero() || r.CheckStats() != (healthcheck.Stats{}) || len(r.Histories()) != 0 {
		t.Error("figures of nobody")
	}
	if text, err := json.Marshal(r.Config()); err != nil || string(text) != "{}" {
		t.Errorf("configuration %s, %v", text, err)
	}
	if v := r.Variables(); v.Given == nil {
		t.Error("no map of variables")
	}
}

// TestReport: the status, its warnings and the health are those of what runs, and change
// with it.
func TestReport(t *testing.T) {
	r := newReporter()
	r.current.ready.Store(true)
	if h := r.Health(); !h.OK {
		t.Errorf("health %+v", h)
	}
	since := time.Now().Add(-time.Hour)
	r.current.snapshot = snapshot{
		config: &conf.Config{Global: conf.Global{RouterID: "lb1"}},
		vrrp:   readVRRP{list: []vrrp.Status{{Name: "edge", State: vrrp.Fault, Reason: "eth0 is down", Since: since}}},
		checks: readChecks{},
		director: readDirector{stats: director.Stats{LastError: "no memory"}, warnings: []director.Warning{
			{Kind: "drift", VirtualServer: "web", Text: "changed by \x1b[2Jsomebody\n", Since: since}}},
		maintenance: true, maintained: since, unkept: errors.New("disk full"),
		reload: reloadOutcome{at: since, err: errors.New("usher.hcl:1: bad")},
		begun:  time.Now().Add(-hangsAfter),
	}
	s := r.Status()
	if s.RouterID != "lb1" || !s.Maintenance || s.Reload == nil || s.Reload.OK || len(s.Instances) != 1 || len(s.VirtualServers) != 1 || r.CheckStats().Started != 7 {
		t.Errorf("status %+v", s)
	}
	var got []string
	for _, w := range s.Warnings {
		if strings.ContainsAny(w.Text, "\x1b\n") {
			t.Errorf("raw: %q", w.Text)
		}
		got = append(got, w.Severity+" "+w.Kind)
	}
	want := []string{"error health", "error health", "error quorum", "error instance_fault", "error reload", "warning drift", "warning maintenance", "warning state"}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("warnings %q\nwant %q", got, want)
	}
	if s.Verdict.Level != api.LevelError {
		t.Errorf("verdict %+v", s.Verdict)
	}
	if h := r.Health(); h.OK || len(h.Problems) != 2 || !strings.Contains(h.Problems[0], "reads its files since") || h.Problems[1] != "IPVS: no memory" {
		t.Errorf("health %+v", h)
	}
	if stuck := r.Stuck(); stuck != "" {
		t.Errorf("a kernel that refuses: %s", stuck)
	}
	r.current.snapshot.director = readDirector{stats: director.Stats{Busy: since}}
	if stuck := r.Stuck(); !strings.HasPrefix(stuck, "the director gets no further since") {
		t.Errorf("a kernel that does not answer: %q", stuck)
	}
	r.current.snapshot = snapshot{}
	if s := r.Status(); len(s.Warnings) > 0 || !r.Health().OK {
		t.Errorf("over, and told still: %+v", s)
	}
}
