package engine

import (
	"fmt"
	"testing"
	"time"

	"usher/vrrp"
)

// prior is a configuration with another priority.
func prior(c vrrp.Config, priority uint8, change ...func(*vrrp.Config)) vrrp.Config {
	c.Priority = priority
	for _, f := range change {
		f(&c)
	}
	return c
}

func grouped(all ...vrrp.Config) vrrp.Desired {
	d := desired(all...)
	g := vrrp.Group{Name: "edge"}
	for _, c := range all {
		g.Instances = append(g.Instances, c.Name)
	}
	d.Groups = []vrrp.Group{g}
	return d
}

// settledPair is two routers, the first of which is active.
func settledPair(t *testing.T, cfg vrrp.Config) *network {
	n := newNetwork(t, 2)
	n.apply(0, desired(prior(cfg, 150)))
	n.run(4 * time.Second)
	n.apply(1, desired(prior(cfg, 100)))
	n.run(10 * time.Second)
	n.state("web", vrrp.Active, vrrp.Backup)
	n.measure()
	return n
}

// TestReload_IntervalOnTheActive: a peer waits by the interval that it heard last, so
// the new one has to be heard before that has run out, though adverts are lost.
func TestReload_IntervalOnTheActive(t *testing.T) {
	for _, c := range []struct {
		from, to time.Duration
		lose     int
	}{
		{100 * time.Millisecond, time.Second, 0},
		{100 * time.Millisecond, time.Second, 2},
		{100 * time.Millisecond, 10 * time.Second, 2},
		{time.Second, 100 * time.Millisecond, 2},
		{time.Second, 40 * time.Second, 2},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			cfg := web()
			cfg.Interval = c.from
			n := settledPair(t, cfg)
			cfg.Interval = c.to
			n.lose = c.lose
			n.apply(0, desired(prior(cfg, 150)))
			n.run(5 * time.Minute)
			n.undisturbed()
			n.apply(1, desired(prior(cfg, 100)))
			n.run(5 * time.Minute)
			n.undisturbed()
		})
	}
}

// TestReload_IntervalOnTheBackup: it goes by the interval that it hears, whatever its
// own becomes.
func TestReload_IntervalOnTheBackup(t *testing.T) {
	for _, to := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, 10 * time.Second} {
		n := settledPair(t, web())
		cfg := web()
		cfg.Interval = to
		n.run(500 * time.Millisecond)
		n.apply(1, desired(prior(cfg, 100)))
		n.run(time.Minute)
		n.undisturbed()
	}
}

// TestReload_NewTrack: a track that is new keeps the state until its first result, on
// the active router and on the backup; then it counts.
func TestReload_NewTrack(t *testing.T) {
	for _, kind := range []vrrp.TrackKind{vrrp.TrackScript, vrrp.TrackFile, vrrp.TrackProcess, vrrp.TrackVirtualServer, vrrp.TrackBFD} {
		for _, weight := range []int{0, -60, 60} {
			for on := range 2 {
				t.Run(fmt.Sprint(kind, weight, on), func(t *testing.T) {
					n := settledPair(t, web())
					cfg := prior(web(), []uint8{150, 100}[on])
					cfg.Track = []vrrp.Track{{Kind: kind, Name: "x", Weight: weight}}
					n.apply(on, desired(cfg))
					n.run(time.Minute)
					n.undisturbed()
					n.apply(on, desired(cfg)) // another reload before the first result
					n.run(time.Minute)
					n.undisturbed()
					up := cfg.Track[0].Adjustment(true, "up")
					n.routers[on].e.Track(n.now, "web", cfg.Track[0].Key(), up)
					n.run(time.Minute)
					if on == 1 && weight == 60 {
						n.state("web", vrrp.Backup, vrrp.Active)
						return
					}
					n.undisturbed()
					n.routers[on].e.Track(n.now, "web", cfg.Track[0].Key(), cfg.Track[0].Adjustment(false, "down"))
					n.run(10 * time.Second)
					switch {
					case weight == 0 && on == 0:
						n.state("web", vrrp.Fault, vrrp.Active)
					case weight == 0:
						n.state("web", vrrp.Active, vrrp.Fault)
					case weight == -60 && on == 0:
						n.state("web", vrrp.Backup, vrrp.Active)
					}
				})
			}
		}
	}
}

// TestReload_NewTrackAtTheStart: an instance that does not take part yet claims nothing
// on a guess; and where an initial state is given, it holds.
func TestReload_NewTrackAtTheStart(t *testing.T) {
	b := newBench(t)
	cfg := web()
	cfg.Track = []vrrp.Track{{Kind: vrrp.TrackScript, Name: "x"}}
	b.e.Apply(b.now, desired(cfg))
	b.is("web", vrrp.Fault)
	cfg.Track = []vrrp.Track{{Kind: vrrp.TrackScript, Name: "x", Initial: "up"}}
	b.e.Apply(b.now, desired(cfg))
	b.is("web", vrrp.Backup)
	cfg.Track = []vrrp.Track{{Kind: vrrp.TrackScript, Name: "y", Initial: "down"}}
	b.e.Apply(b.now, desired(cfg))
	b.is("web", vrrp.Fault)
}

// TestReload_TrackWeight: what is known of a track outlives a change of its weight.
func TestReload_TrackWeight(t *testing.T) {
	n := settledPair(t, web())
	cfg := prior(web(), 150)
	cfg.Track = []vrrp.Track{{Kind: vrrp.TrackScript, Name: "x", Weight: -10}}
	n.apply(0, desired(cfg))
	n.routers[0].e.Track(n.now, "web", "script/x", vrrp.Adjustment{})
	cfg.Track[0].Weight = 0
	n.apply(0, desired(cfg))
	n.run(time.Minute)
	n.undisturbed()
}

// TestStartupDelay_AfterFault: startup_delay counts from when an instance can first take
// part, not from a fault that nearly each begins with.
func TestStartupDelay_AfterFault(t *testing.T) {
	b := newBench(t)
	cfg := web()
	cfg.StartupDelay = 20 * time.Second
	cfg.Track = []vrrp.Track{{Kind: vrrp.TrackScript, Name: "x"}}
	b.e.Apply(b.now, desired(cfg))
	b.run(5 * time.Second)
	b.e.Track(b.now, "web", "script/x", vrrp.Adjustment{})
	b.run(24 * time.Second)
	b.is("web", vrrp.Backup)
	b.run(26 * time.Second)
	b.is("web", vrrp.Active)
}
