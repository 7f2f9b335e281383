package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"usher/vrrp"
)

// TestGroup_CrossedPriorities: routers of one sync group of which each is better in
// another member, and whose timers run out at the same instant, come to terms: one has
// all members soon, and keeps them.
func TestGroup_CrossedPriorities(t *testing.T) {
	members := []vrrp.Config{web(), instanceConfig("old", 52, "192.0.2.11/24"), instanceConfig("third", 53, "192.0.2.12/24")}
	for _, c := range []struct {
		name     string
		priority [][]uint8 // of each router for each member
	}{
		{"two", [][]uint8{{150, 100}, {100, 150}}},
		{"two, the better first", [][]uint8{{200, 100}, {100, 150}}},
		{"two, three members", [][]uint8{{150, 100, 50}, {100, 150, 200}}},
		{"three", [][]uint8{{150, 100, 50}, {50, 150, 100}, {100, 50, 150}}},
	} {
		for _, preempt := range []bool{true, false} {
			for _, later := range []time.Duration{0, flight / 2, flight, 2 * flight, 300 * time.Millisecond} {
				t.Run(fmt.Sprint(c.name, " ", preempt, " ", later), func(t *testing.T) {
					n := newNetwork(t, len(c.priority)+1)
					for i, p := range append(c.priority, []uint8{250, 250, 250}) {
						var all []vrrp.Config
						for m := range c.priority[0] {
							cfg := members[m]
							cfg.Priority, cfg.Preempt = p[m], preempt
							all = append(all, cfg)
						}
						n.apply(i, grouped(all...))
						n.run(later)
					}
					settle := func() {
						t.Helper()
						n.run(12 * time.Second)
						n.measure()
						n.run(time.Minute)
						n.undisturbed()
						for m := range c.priority[0] {
							if all := slices.DeleteFunc(slices.Clone(n.routers), func(r *router) bool { return !r.held[members[m].Name] }); len(all) != 1 {
								t.Fatalf("%d hold %s", len(all), members[m].Name)
							}
						}
					}
					settle()
					n.routers = n.routers[:len(c.priority)] // the best one dies
					settle()
				})
			}
		}
	}
}
