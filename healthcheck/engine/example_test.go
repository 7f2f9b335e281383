package engine_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/engine"
)

// One server is checked until it has fallen. The prober is a table here; package
// healthcheck/probe has the one that asks real servers.
func ExampleEngine() {
	server := netip.MustParseAddrPort("192.0.2.10:80")
	probes := 0
	answers := func(context.Context, *healthcheck.Check) healthcheck.Result {
		if probes++; probes == 1 {
			return healthcheck.Result{Outcome: healthcheck.Pass}
		}
		return healthcheck.Result{Outcome: healthcheck.Fail, Reason: "connection refused"}
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e := engine.New(engine.Options{
		Prober: engine.ProberFunc(answers),
		Results: func(u healthcheck.Update) {
			fmt.Printf("%s of %s is %s: %s\n", u.ID.RealServer, u.ID.VirtualServer, u.Verdict.State, u.Verdict.Reason)
			if u.Verdict.State == healthcheck.Down && !u.Verdict.Initial {
				cancel()
			}
		},
	})
	err := e.Apply([]healthcheck.Target{{
		ID: healthcheck.ID{VirtualServer: "web", RealServer: server},
		Checks: []healthcheck.Check{{
			Type: healthcheck.TypeTCP, Address: server, Rise: 2, Fall: 3,
			Interval: 10 * time.Millisecond, Timeout: 10 * time.Millisecond,
		}},
	}})
	if err != nil {
		fmt.Println(err)
	}
	if err := e.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 192.0.2.10:80 of web is down: not probed yet
	// 192.0.2.10:80 of web is up: tcp: passed
	// 192.0.2.10:80 of web is down: tcp: connection refused (3 times in a row)
}
