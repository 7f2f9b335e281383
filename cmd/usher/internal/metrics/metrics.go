// Package metrics is usher's side of Prometheus. What has a present value is
// computed at each scrape from live state; only the results of checks are counted
// as they happen.
package metrics

import (
	"compress/gzip"
	"io"
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"usher/cmd/usher/internal/api"
	"usher/director"
	"usher/healthcheck"
	"usher/healthcheck/redact"
)

// Source is what a scrape reads.
type Source interface {
	Status() api.Status
	DirectorStats() director.Stats
	CheckStats() healthcheck.Stats
	Secrets() *redact.Set // that no label shows; nil for none
}

// Metrics counts check results and holds the constant ones.
type Metrics struct {
	duration *prometheus.HistogramVec
	results  *prometheus.CounterVec
	build    prometheus.Gauge
}

// New makes the metrics of a program of this version.
func New(version string) *Metrics {
	m := &Metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "usher_check_duration_seconds", Help: "Time that a health check took from connect to verdict, by type of check.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"type"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_check_results_total", Help: "Health checks that ended, by result.",
		}, []string{"result"}),
		build: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "usher_build_info", Help: "Always 1; the labels say what is running.",
			ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
		}),
	}
	m.build.Set(1)
	for _, o := range []healthcheck.Outcome{healthcheck.Pass, healthcheck.Fail, healthcheck.Inconclusive} {
		m.results.WithLabelValues(o.String()) // 0 from the start, so that the first one is an increase
	}
	return m
}

// Observe counts one result. It is fast and safe for concurrent use.
func (m *Metrics) Observe(t healthcheck.Type, r healthcheck.Result) {
	m.results.WithLabelValues(r.Outcome.String()).Inc()
	m.duration.WithLabelValues(string(t)).Observe(r.Latency.Seconds())
}

// registry gathers what the library counts.
func (m *Metrics) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(m.duration, m.results, m.build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler serves everything that source and m know, in the text format.
func (m *Metrics) Handler(source Source) http.Handler {
	counted := m.registry()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		families, err := counted.Gather()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
		var out io.Writer = w
		if compresses(r) {
			w.Header().Set("Content-Encoding", "gzip")
			// The level is a known one, so there is no error.
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
			defer z.Close()
			out = z
		}
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToText(out, f); err != nil {
				return // whoever asked is gone
			}
		}
		_ = newText(out).live(source) // the same
	})
}

// compresses tells whether the answer may be compressed.
func compresses(r *http.Request) bool {
	for word := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, rest, _ := strings.Cut(strings.TrimSpace(word), ";")
		if name == "gzip" && strings.TrimSpace(rest) != "q=0" {
			return true
		}
	}
	return false
}
