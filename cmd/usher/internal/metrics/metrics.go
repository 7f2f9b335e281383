// Package metrics is usher's side of Prometheus. What has a present value is
// computed at each scrape from live state; only the results of checks are counted
// as they happen.
package metrics

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"usher/cmd/usher/internal/api"
	"usher/director"
	"usher/healthcheck"
)

// Source is what a scrape reads.
type Source interface {
	Status() api.Status
	DirectorStats() director.Stats
	CheckStats() healthcheck.Stats
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
	return m
}

// Observe counts one result. It is fast and safe for concurrent use.
func (m *Metrics) Observe(t healthcheck.Type, r healthcheck.Result) {
	m.results.WithLabelValues(r.Outcome.String()).Inc()
	m.duration.WithLabelValues(string(t)).Observe(r.Latency.Seconds())
}

// Registry gathers everything that source and m know.
func (m *Metrics) Registry(source Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(m.duration, m.results, m.build, &live{source},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler serves a registry at /metrics.
func Handler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}
