package cli

import (
	"context"
	"log/slog"
	"slices"

	"usher/cmd/usher/internal/command"
	"usher/cmd/usher/internal/daemon"
	"usher/cmd/usher/internal/discovery"
	"usher/cmd/usher/internal/notify"
	"usher/cmd/usher/internal/peers"
	"usher/cmd/usher/internal/vrrpproc"
	"usher/conf"
	"usher/director"
	ipvsengine "usher/director/engine"
	"usher/director/snat"
	checkengine "usher/healthcheck/engine"
	"usher/healthcheck/probe"
	"usher/vrrp"
	"usher/vrrp/sysctl"
	"usher/vrrp/vip/rtnl"
)

// parts are the real engines of the three domains, on this machine.
func (s System) parts(log *slog.Logger, commands *command.Runner) daemon.Components {
	return daemon.Components{
		VRRP: func(g conf.Global, events func(vrrp.Event), secrets func() []string) daemon.VRRP {
			return vrrpproc.New(vrrpproc.Options{
				Log: log, Events: events, Run: commands.Track, State: g.State, Secrets: secrets,
				Args:      []string{vrrpproc.ChildCommand, "--log-level", g.Log.Level, "--log-format", g.Log.Format, "--state", g.State},
				GuardArgs: []string{vrrpproc.GuardCommand, "--log-level", g.Log.Level, "--log-format", g.Log.Format, "--state", g.State},
				Recover:   func() ([]string, error) { return rtnl.Recover(rtnl.JournalFile(g.State)) },
			})
		},
		Checks: func(h daemon.ChecksHandlers) (daemon.Checks, daemon.BFD) {
			prober := probe.New(probe.Options{Log: log, Commands: commands.Check})
			return checkengine.New(checkengine.Options{
				Log: log, Prober: prober, Results: h.Results, Events: h.Events, Observe: h.Observe,
			}), prober.BFD()
		},
		Alerts: func() daemon.Alerts { return notify.New(notify.Options{Log: log, Run: commands.Notify}) },
		Discovery: func(state string, h daemon.DiscoveryHandlers) daemon.Discovery {
			return discovery.New(discovery.Options{Log: log, Changed: h.Changed, Events: h.Events, State: state})
		},
		Peers: func(state string, h daemon.PeersHandlers) daemon.Peers {
			return peers.New(peers.Options{Log: log, State: state, Heard: h.Heard, Event: h.Events})
		},
		Look: discovery.Look,
		Announcer: func(sessions daemon.BFD, h daemon.AnnouncerHandlers) daemon.Announcer {
			return announcer(log, sessions, h)
		},
		Director: func(state string, events func(director.Event)) (daemon.Director, error) {
			return s.openDirector(log, state, events)
		},
		Withdraw: func(ctx context.Context, state string, instances []vrrp.Config) ([]string, error) {
			w, err := withdrawHeld(ctx, state, instances)
			return slices.Concat(w.Removed, w.Restored), err
		},
	}
}

// openDirector opens the kernel's IPVS and makes a director of it.
func (s System) openDirector(log *slog.Logger, state string, events func(director.Event)) (*ipvsengine.Engine, error) {
	kernel, err := s.openIPVS()
	if err != nil {
		return nil, err
	}
	settings := s.Sysctl
	if settings == nil {
		settings = sysctl.System{}
	}
	return ipvsengine.New(ipvsengine.Options{
		Kernel: kernel, Log: log, Events: events, State: state, Sysctl: settings, Interfaces: towards, SNAT: snat.New(),
	}), nil
}
