package metrics

import (
	"maps"
	"slices"

	"usher/cmd/usher/internal/api"
)

// directors writes what this director knows of the others; nothing where no block peers
// says who they are.
func (t *text) directors(d *api.Directors) {
	if d == nil {
		return
	}
	t.gauge("peer_up", "1 while the other director is heard, 0 while it is not.")
	for _, o := range d.Directors {
		if !o.Self {
			t.sample(t.labels("peer", o.Shown()), truth(o.Up))
		}
	}
	parts, servers := map[string]bool{}, 0
	for _, f := range d.Differences {
		for _, part := range f.Parts {
			parts[part] = true
		}
		servers += f.Servers
	}
	t.gauge("peer_config_differs", "1 for a part of the configuration that has not been the same on all directors for ten seconds; none where all are.")
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		t.sample(t.labels("part", part), 1)
	}
	t.gauge("peer_health_differs", "Real servers that are down for one director and up for another, for longer than their checks may take to agree.")
	t.sample("", float64(servers))
	t.counter("peer_refused_total", "Packets and messages that were thrown away, by reason: of a wrong key, most of all.")
	for _, reason := range slices.Sorted(maps.Keys(d.Refused)) {
		t.sample(t.labels("reason", reason), float64(d.Refused[reason]))
	}
}
