// Package apitest is the double of a daemon behind the API, for tests of what
// speaks to it: the handlers, the status page, the command line.
package apitest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/healthcheck/redact"
)

// Backend is a daemon whose status the test sets, and which writes down what is
// asked of it.
type Backend struct {
	mu     sync.Mutex
	status api.Status
	stuck  string
	refuse error
	asked  []any
	ring   *events.Ring
}

// New makes a healthy daemon with this status.
func New(s api.Status) *Backend {
	return &Backend{status: s, ring: events.NewRing(0, 0)}
}

// Change changes the status.
func (b *Backend) Change(f func(*api.Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.status)
}

// Sicken makes the daemon unhealthy.
func (b *Backend) Sicken(problems ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range problems {
		b.status.Warnings = append(b.status.Warnings, api.Warning{Severity: string(api.LevelError), Kind: "health", Text: p})
	}
}

// Stick has the daemon get no further, and say so.
func (b *Backend) Stick(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stuck = text
}

// Refuse makes everything that steers fail from now on.
func (b *Backend) Refuse(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = err
}

// Asked is what was asked, in order: api.Steer, api.Name, api.Switch, or a word.
func (b *Backend) Asked() []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked)
}

func (b *Backend) ask(what any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, what)
	return b.refuse
}

// Status is api.Backend's. The copy is deep, as far as the API or a test changes it.
func (b *Backend) Status() api.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.status
	s.Verdict = api.Judge(s)
	s.Instances, s.VirtualServers = slices.Clone(s.Instances), slices.Clone(s.VirtualServers)
	if s.Directors != nil {
		d := *s.Directors
		d.Directors = slices.Clone(d.Directors)
		s.Directors = &d
	}
	for i := range s.VirtualServers {
		s.VirtualServers[i].RealServers = slices.Clone(s.VirtualServers[i].RealServers)
		for j := range s.VirtualServers[i].RealServers {
			r := &s.VirtualServers[i].RealServers[j]
			r.Checks = slices.Clone(r.Checks)
		}
	}
	return s
}

// Histories is api.Backend's: the first real server of each virtual server has one.
func (b *Backend) Histories() map[string]map[string][]uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]map[string][]uint32{}
	for _, v := range b.status.VirtualServers {
		for _, r := range v.RealServers[:min(len(v.RealServers), 1)] {
			all[v.Name] = map[string][]uint32{r.Address: {1, 2, 3}}
		}
	}
	return all
}

// Stuck is api.Backend's.
func (b *Backend) Stuck() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stuck
}

// Events is api.Backend's.
func (b *Backend) Events() *events.Ring { return b.ring }

// Config is api.Backend's.
func (b *Backend) Config() any { return map[string]any{"Global": map[string]any{"RouterID": "lb1"}} }

// Secrets is api.Backend's: the text "opal-secret".
func (b *Backend) Secrets() *redact.Set { return redact.Everywhere([]string{"opal-secret"}) }

// Variables is api.Backend's.
func (b *Backend) Variables() api.Variables {
	return api.Variables{Given: map[string]string{"priority": "150"}, Environment: map[string]string{"vip": "192.0.2.77", "other": "of another program"}}
}

// Reload is api.Backend's.
func (b *Backend) Reload(context.Context) error { return b.ask("reload") }

// Plan is api.Backend's.
func (b *Backend) Plan(context.Context) (any, error) {
	return map[string]any{"vrrp": []any{}}, b.ask("plan")
}

// Steer is api.Backend's.
func (b *Backend) Steer(_ context.Context, s api.Steer) (string, error) {
	return fmt.Sprintf("%s: %s %s", s.Mode, s.VirtualServer, s.RealServer), b.ask(s)
}

// Failover is api.Backend's.
func (b *Backend) Failover(_ context.Context, n api.Name, _ string) (string, error) {
	return n.Instance + " handed over to 192.0.2.7", b.ask(n)
}

// Maintenance is api.Backend's.
func (b *Backend) Maintenance(_ context.Context, s api.Switch, _ string) (string, error) {
	return map[bool]string{false: "maintenance off", true: "maintenance on"}[s.On], b.ask(s)
}

// Announce is api.Backend's.
func (b *Backend) Announce(_ context.Context, a api.Announcing, on bool, _ string) (string, error) {
	return a.Announce + map[bool]string{false: " withdrawn", true: " announced"}[on], b.ask(a)
}
