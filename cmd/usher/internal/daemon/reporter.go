package daemon

import (
	"fmt"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/conf"
	"usher/director"
	"usher/healthcheck"
	"usher/healthcheck/redact"
	"usher/vrrp/timespan"
)

// reporter makes what people and programs read of the daemon: its status with warnings and
// verdict, its health, figures and events. It changes nothing, and is the API's backend
// and the metrics' source as far as these read.
type reporter struct {
	version    string
	variables  map[string]string
	machine    Machine
	current    *current
	ring       *events.Ring
	secrets    *redact.Live
	history    *history
	silenced   func() []director.Warning // of ways out by which nothing gets through
	comparison comparison
}

// Events is the ring of what happened.
func (r *reporter) Events() *events.Ring { return r.ring }

// Secrets are the values that nothing shows: those of the configuration that runs, of one
// that was read, and of those before.
func (r *reporter) Secrets() *redact.Set { return r.secrets.Set() }

// Config is the running configuration without secrets.
func (r *reporter) Config() any {
	if c := r.current.running(); c != nil {
		return c.Redacted()
	}
	return map[string]any{}
}

// Variables are the values with which the configuration is loaded.
func (r *reporter) Variables() api.Variables {
	v := api.Variables{Given: r.variables, Environment: conf.Environment()}
	if v.Given == nil {
		v.Given = map[string]string{}
	}
	return v
}

// stuckAfter is how long the director may be at one piece of work, of moments where the
// kernel answers, until /livez says that it gets no further.
const stuckAfter = 30 * time.Second

// Stuck says where the daemon itself gets no further; "" where it does its work.
func (r *reporter) Stuck() string { return r.stuck(stuckAfter) }

// stuck is Stuck with another patience.
func (r *reporter) stuck(patience time.Duration) string {
	since := r.DirectorStats().Busy
	if since.IsZero() || time.Since(since) <= patience {
		return ""
	}
	return "the director gets no further since " + timespan.At(since)
}

// Health says whether the daemon does its work: it has started, does not stop, and
// the kernel takes what the director wants.
func (r *reporter) Health() api.Health {
	h := api.Health{Problems: []string{}}
	if !r.current.ready.Load() {
		h.Problems = append(h.Problems, "usher is starting or stopping")
	}
	if since := r.current.hangs(); !since.IsZero() {
		h.Problems = append(h.Problems, fmt.Sprintf("a reload reads its files since %s: one of them, or an expression, does not come to an end", timespan.At(since)))
	}
	if s := r.DirectorStats(); s.LastError != "" {
		h.Problems = append(h.Problems, "IPVS: "+s.LastError)
	}
	h.OK = len(h.Problems) == 0
	return h
}

// DirectorStats are the director's own figures, zero without virtual servers.
func (r *reporter) DirectorStats() director.Stats {
	if dir := r.current.now().director; dir != nil {
		return dir.Stats()
	}
	return director.Stats{}
}

// CheckStats are the health check engine's own figures.
func (r *reporter) CheckStats() healthcheck.Stats {
	if checks := r.current.now().checks; checks != nil {
		return checks.Stats()
	}
	return healthcheck.Stats{}
}

// Histories are the active connections of real servers over the last ten minutes.
func (r *reporter) Histories() map[string]map[string][]uint32 { return r.history.active() }
