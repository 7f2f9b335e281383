package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"usher/cmd/usher/internal/api"
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("usher_"+name, help, labels, nil)
}

// descs are all metrics that are computed at scrape.
type descs struct {
	state, priority, transitions, sent, received, discarded, splitBrain *prometheus.Desc
	up, weight, active, inactive, poolUp, certificate                   *prometheus.Desc
	connections, bytes, operations, refused, drift                      *prometheus.Desc
	checks, late, reload, maintenance                                   *prometheus.Desc
}

func newDescs() descs {
	return descs{
		state:       describe("vrrp_state", "1 for the state that the instance is in, 0 for the others.", "instance", "state"),
		priority:    describe("vrrp_effective_priority", "Priority that the instance advertises, after tracking.", "instance"),
		transitions: describe("vrrp_transitions_total", "Changes of state of the instance.", "instance"),
		sent:        describe("vrrp_adverts_sent_total", "Advertisements sent.", "instance"),
		received:    describe("vrrp_adverts_received_total", "Valid advertisements received.", "instance"),
		discarded:   describe("vrrp_adverts_discarded_total", "Advertisements discarded, by the reasons of RFC 8347.", "instance", "reason"),
		splitBrain:  describe("vrrp_split_brain", "1 while another active router is heard though this one is active.", "instance"),

		up:          describe("real_server_up", "1 while all checks of the real server pass.", "virtual_server", "real_server"),
		weight:      describe("real_server_weight", "Weight of the real server in the kernel, 0 while it is out.", "virtual_server", "real_server"),
		active:      describe("real_server_active_connections", "Established connections of the real server.", "virtual_server", "real_server"),
		inactive:    describe("real_server_inactive_connections", "Other connections that IPVS remembers of the real server.", "virtual_server", "real_server"),
		poolUp:      describe("virtual_server_up", "1 while the virtual server has its quorum.", "virtual_server"),
		certificate: describe("check_certificate_expiry_timestamp_seconds", "Unix time at which the certificate that a check saw ends.", "virtual_server", "real_server", "type"),

		connections: describe("ipvs_connections_total", "Connections that IPVS scheduled.", "virtual_server"),
		bytes:       describe("ipvs_bytes_total", "Bytes that IPVS forwarded; direction is in (from clients) or out.", "virtual_server", "direction"),
		operations:  describe("ipvs_sync_operations_total", "Changes made to the kernel's IPVS table, by operation.", "op"),
		refused:     describe("ipvs_sync_errors_total", "Changes of the IPVS table that the kernel refused."),
		drift:       describe("ipvs_drift_repairs_total", "Differences that somebody else made in the IPVS table and usher put right."),

		checks:      describe("checks", "Different health checks that run."),
		late:        describe("checks_late_total", "Health checks that began late by more than half their interval."),
		reload:      describe("config_reload_success", "1 if the last reload of the configuration succeeded, 0 if the one before still runs."),
		maintenance: describe("maintenance", "1 while maintenance holds every instance back."),
	}
}

// live is the collector that reads the source at each scrape. It is unchecked
// (Describe sends nothing) because the labels' values come and go.
type live struct{ source Source }

// Describe is prometheus.Collector's.
func (l *live) Describe(chan<- *prometheus.Desc) {}

// Collect is prometheus.Collector's.
func (l *live) Collect(out chan<- prometheus.Metric) {
	c := collector{out, newDescs()}
	s := l.source.Status()
	for _, i := range s.Instances {
		c.instance(i)
	}
	for _, v := range s.VirtualServers {
		c.virtualServer(v)
	}
	stats := l.source.DirectorStats()
	for op, n := range stats.Ops {
		c.counter(c.operations, n, op.String())
	}
	c.counter(c.refused, stats.Errors)
	c.counter(c.drift, stats.DriftRepairs)
	checks := l.source.CheckStats()
	c.gauge(c.checks, float64(checks.Checks))
	c.counter(c.late, checks.Late)
	c.gauge(c.reload, truth(s.Reload == nil || s.Reload.OK))
	c.gauge(c.maintenance, truth(s.Maintenance))
}

type collector struct {
	out chan<- prometheus.Metric
	descs
}

func (c collector) gauge(d *prometheus.Desc, v float64, labels ...string) {
	c.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (c collector) counter(d *prometheus.Desc, v uint64, labels ...string) {
	c.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (c collector) instance(i api.Instance) {
	for _, state := range []string{"initialize", "backup", "active", "fault"} {
		c.gauge(c.state, truth(i.State == state), i.Name, state)
	}
	c.gauge(c.priority, float64(i.EffectivePriority), i.Name)
	c.counter(c.transitions, i.Transitions, i.Name)
	c.counter(c.sent, i.Statistics.AdvertsSent, i.Name)
	c.counter(c.received, i.Statistics.AdvertsReceived, i.Name)
	for reason, n := range i.Statistics.Discarded {
		c.counter(c.discarded, n, i.Name, reason)
	}
	c.gauge(c.splitBrain, truth(i.SplitBrain != nil), i.Name)
}

func (c collector) virtualServer(v api.VirtualServer) {
	c.gauge(c.poolUp, truth(v.Up), v.Name)
	c.counter(c.connections, v.Counters.Connections, v.Name)
	c.counter(c.bytes, v.Counters.BytesIn, v.Name, "in")
	c.counter(c.bytes, v.Counters.BytesOut, v.Name, "out")
	seen := map[string]bool{}
	for _, r := range v.RealServers {
		if seen[r.Address] { // a sorry server that is a real server, too
			continue
		}
		seen[r.Address] = true
		c.gauge(c.up, truth(r.State == "up"), v.Name, r.Address)
		c.gauge(c.weight, float64(r.EffectiveWeight), v.Name, r.Address)
		c.gauge(c.active, float64(r.ActiveConnections), v.Name, r.Address)
		c.gauge(c.inactive, float64(r.InactiveConnections), v.Name, r.Address)
		certificates := map[string]bool{}
		for _, k := range r.Checks {
			if k.Certificate != nil && !certificates[k.Type] {
				certificates[k.Type] = true
				c.gauge(c.certificate, float64(k.Certificate.Unix()), v.Name, r.Address, k.Type)
			}
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
