package metrics

import (
	"math"
	"slices"
	"strconv"

	"usher/cmd/usher/internal/api"
	"usher/director"
	"usher/director/discover"
	"usher/director/ipvs"
	"usher/vrrp"
)

// live writes what is computed at each scrape.
func (t *text) live(source Source) error {
	t.secrets = source.Secrets()
	s := source.Status()
	t.instances(s.Instances)
	t.virtualServers(s.VirtualServers)
	t.realServers(s.VirtualServers)
	t.discovery(s.VirtualServers)
	t.directors(s.Directors)
	t.announcements(s)
	t.director(source.DirectorStats())
	checks := source.CheckStats()
	t.gauge("checks", "Different health checks that run.")
	t.sample("", float64(checks.Checks))
	t.counter("checks_late_total", "Health checks that began late by more than half their interval.")
	t.sample("", float64(checks.Late))
	t.gauge("config_reload_success", "1 if the last reload of the configuration succeeded, 0 if the one before still runs.")
	t.sample("", truth(s.Reload == nil || s.Reload.OK))
	t.gauge("maintenance", "1 while maintenance holds every instance back.")
	t.sample("", truth(s.Maintenance))
	t.gauge("notifications_failing", "Webhooks and mails by which the last notification did not get through.")
	failing := 0
	for _, w := range s.Warnings {
		if w.Kind == "notify" {
			failing++
		}
	}
	t.sample("", float64(failing))
	t.gauge("verdict", "1 for how much usher asks for a person: ok, warning or error; 0 for the others.")
	for _, level := range []api.Level{api.LevelOK, api.LevelWarning, api.LevelError} {
		t.sample(t.labels("level", string(level)), truth(s.Verdict.Level == level))
	}
	return t.out.Flush()
}

func (t *text) instances(all []api.Instance) {
	each := func(value func(api.Instance) float64) {
		for _, i := range all {
			t.sample(t.labels("instance", i.Name), value(i))
		}
	}
	t.gauge("vrrp_state", "1 for the state that the instance is in, 0 for the others.")
	for _, i := range all {
		for _, state := range []string{"initialize", "backup", "active", "fault"} {
			t.sample(t.labels("instance", i.Name, "state", state), truth(i.State == state))
		}
	}
	t.gauge("vrrp_effective_priority", "Priority that the instance advertises, after tracking.")
	each(func(i api.Instance) float64 { return float64(i.EffectivePriority) })
	t.counter("vrrp_transitions_total", "Changes of state of the instance.")
	each(func(i api.Instance) float64 { return float64(i.Transitions) })
	t.counter("vrrp_adverts_sent_total", "Advertisements sent.")
	each(func(i api.Instance) float64 { return float64(i.Statistics.AdvertsSent) })
	t.counter("vrrp_adverts_received_total", "Valid advertisements received.")
	each(func(i api.Instance) float64 { return float64(i.Statistics.AdvertsReceived) })
	t.counter("vrrp_adverts_discarded_total", "Advertisements discarded, by the reasons of RFC 8347, and those of an HMAC.")
	for _, i := range all {
		for _, reason := range vrrp.Discards {
			t.sample(t.labels("instance", i.Name, "reason", string(reason)), float64(i.Statistics.Discarded[string(reason)]))
		}
	}
	t.counter("vrrp_repairs_total", "What somebody else did to what an instance holds and usher put right, by the kind of object.")
	for _, i := range all {
		for _, kind := range vrrp.ObjectKinds {
			t.sample(t.labels("instance", i.Name, "kind", string(kind)), float64(i.Statistics.Repairs[string(kind)]))
		}
	}
	for _, c := range []struct {
		name, help string
		value      func(api.Statistics) uint64
	}{
		{"vrrp_priority_zero_sent_total", "Resignations sent: advertisements of priority 0.", func(s api.Statistics) uint64 { return s.PriorityZeroSent }},
		{"vrrp_priority_zero_received_total", "Resignations received: advertisements of priority 0.", func(s api.Statistics) uint64 { return s.PriorityZeroReceived }},
		{"vrrp_became_active_total", "Times that the instance became active.", func(s api.Statistics) uint64 { return s.BecameActive }},
		{"vrrp_address_mismatches_total", "Advertisements of other addresses than those configured here.", func(s api.Statistics) uint64 { return s.AddressMismatches }},
		{"vrrp_hmac_verified_total", "Advertisements received with a good HMAC.", func(s api.Statistics) uint64 { return s.HMACVerified }},
		{"vrrp_hmac_unsigned_total", "Advertisements accepted without an HMAC, in a mode that allows it.", func(s api.Statistics) uint64 { return s.HMACUnsigned }},
		{"vrrp_interval_mismatches_total", "Advertisements of another interval than the one configured here.", func(s api.Statistics) uint64 { return s.IntervalMismatches }},
	} {
		t.counter(c.name, c.help)
		each(func(i api.Instance) float64 { return float64(c.value(i.Statistics)) })
	}
	t.gauge("vrrp_new_active_reason", "1 for the reason of RFC 8347 for which the instance became active the last time, 0 for the others.")
	for _, i := range all {
		for _, reason := range vrrp.NewActiveReasons {
			t.sample(t.labels("instance", i.Name, "reason", string(reason)), truth(i.Statistics.NewActiveReason == string(reason)))
		}
	}
	t.gauge("vrrp_peer_signed", "1 where the last advertisement of a peer that was heard had a good HMAC, with the key that signed it; 0 where it had none, with key 0.")
	for _, i := range all {
		if i.HMAC == nil {
			continue
		}
		for _, p := range i.Peers {
			t.sample(t.labels("instance", i.Name, "key", strconv.Itoa(p.Key), "peer", p.Address), truth(p.Key != 0))
		}
	}
	t.gauge("vrrp_nobody_active", "1 while no director is known to hold the instance's addresses: this one is not active, and none is heard.")
	each(func(i api.Instance) float64 { return truth(i.NobodyActiveSince != nil) })
	t.gauge("vrrp_split_brain", "1 while another active router is heard though this one is active.")
	each(func(i api.Instance) float64 { return truth(i.SplitBrain != nil) })
}

func (t *text) virtualServers(all []api.VirtualServer) {
	t.gauge("virtual_server_up", "1 while the virtual server has its quorum.")
	for _, v := range all {
		t.sample(t.labels("virtual_server", v.Name), truth(v.Up))
	}
	t.counter("ipvs_connections_total", "Connections that IPVS scheduled.")
	for _, v := range all {
		t.sample(t.labels("virtual_server", v.Name), float64(v.Counters.Connections))
	}
	t.counter("ipvs_bytes_total", "Bytes that IPVS forwarded; direction is in (from clients) or out.")
	for _, v := range all {
		t.sample(t.labels("direction", "in", "virtual_server", v.Name), float64(v.Counters.BytesIn))
		t.sample(t.labels("direction", "out", "virtual_server", v.Name), float64(v.Counters.BytesOut))
	}
}

// realServer is one with the labels of its samples.
type realServer struct {
	*api.RealServer
	pool   string
	labels string
}

func (t *text) realServers(pools []api.VirtualServer) {
	var all []realServer
	for _, v := range pools {
		seen := make(map[string]bool, len(v.RealServers))
		for i := range v.RealServers {
			r := &v.RealServers[i]
			if seen[r.Address] { // a sorry server that is a real server, too
				continue
			}
			seen[r.Address] = true
			all = append(all, realServer{r, v.Name, t.labels("real_server", r.Address, "virtual_server", v.Name)})
		}
	}
	each := func(value func(realServer) float64) {
		for _, r := range all {
			t.sample(r.labels, value(r))
		}
	}
	t.gauge("real_server_up", "1 while the real server is up, 0 while it is down, draining, disabled or not yet checked.")
	each(func(r realServer) float64 { return truth(r.State == "up") })
	t.gauge("real_server_down", "1 while its checks keep the real server out; 0 also while somebody drains or disables it.")
	each(func(r realServer) float64 { return truth(r.State == "down") })
	t.gauge("real_server_weight", "Weight of the real server in the kernel, 0 while it is out.")
	each(func(r realServer) float64 { return float64(r.EffectiveWeight) })
	t.gauge("real_server_active_connections", "Established connections of the real server.")
	each(func(r realServer) float64 { return float64(r.ActiveConnections) })
	t.gauge("real_server_inactive_connections", "Other connections that IPVS remembers of the real server.")
	each(func(r realServer) float64 { return float64(r.InactiveConnections) })

	t.gauge("check_cannot_run", "1 while the health check cannot be carried out on this machine: its program, a file or an address that it needs is not there.")
	for _, r := range all {
		t.unable(r)
	}
	t.gauge("check_certificate_expiry_timestamp_seconds", "Unix time at which the certificate that a check saw ends.")
	for _, r := range all {
		t.certificates(r)
	}
}

// unable writes one for each type of check that cannot run.
func (t *text) unable(r realServer) {
	var told []string
	for _, k := range r.Checks {
		if k.CannotRun && !slices.Contains(told, k.Type) {
			told = append(told, k.Type)
			t.sample(t.labels("real_server", r.Address, "type", k.Type, "virtual_server", r.pool), 1)
		}
	}
}

// certificates writes one for each type of check: the first that has any.
func (t *text) certificates(r realServer) {
	var told []string
	for _, k := range r.Checks {
		if k.Certificate != nil && !slices.Contains(told, k.Type) {
			told = append(told, k.Type)
			t.sample(t.labels("real_server", r.Address, "type", k.Type, "virtual_server", r.pool), float64(k.Certificate.Unix()))
		}
	}
}

// discovery writes what sources of real servers say.
func (t *text) discovery(pools []api.VirtualServer) {
	each := func(write func(v api.VirtualServer, s api.Discovery, labels string)) {
		for _, v := range pools {
			for _, s := range v.Discover {
				write(v, s, t.labels("source", s.Name, "virtual_server", v.Name))
			}
		}
	}
	t.gauge("discovery_targets", "Real servers of the virtual server that the source lists.")
	each(func(_ api.VirtualServer, s api.Discovery, labels string) { t.sample(labels, float64(s.Servers)) })
	t.gauge("discovery_age_seconds", "How long ago the source gave its last good answer; +Inf where it has given none.")
	each(func(_ api.VirtualServer, s api.Discovery, labels string) {
		if s.AgeSeconds == nil {
			t.sample(labels, math.Inf(1))
			return
		}
		t.sample(labels, *s.AgeSeconds)
	})
	t.counter("discovery_errors_total", "Answers of the source that were none, by reason.")
	each(func(v api.VirtualServer, s api.Discovery, _ string) {
		for _, reason := range discover.Reasons {
			t.sample(t.labels("reason", string(reason), "source", s.Name, "virtual_server", v.Name), float64(s.Errors[string(reason)]))
		}
	})
}

func (t *text) director(stats director.Stats) {
	t.counter("ipvs_sync_operations_total", "Changes made to the kernel's IPVS table, by operation.")
	for _, op := range ipvs.OpKinds {
		t.sample(t.labels("op", op.String()), float64(stats.Ops[op]))
	}
	t.counter("ipvs_sync_errors_total", "Changes of the IPVS table that the kernel refused.")
	t.sample("", float64(stats.Errors))
	t.counter("ipvs_drift_repairs_total", "Differences that somebody else made in the IPVS table and usher put right.")
	t.sample("", float64(stats.DriftRepairs))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
