package healthcheck_test

import (
	"fmt"
	"time"

	"usher/healthcheck"
)

// The first result decides alone; after it a server falls and rises by counts.
func ExampleHealth_Step() {
	rules := healthcheck.Rules{Rise: 2, Fall: 3, Slow: time.Second, SlowWeight: 50}
	pass := healthcheck.Result{Outcome: healthcheck.Pass, Latency: 3 * time.Millisecond}
	slow := healthcheck.Result{Outcome: healthcheck.Pass, Latency: 2 * time.Second}
	fail := healthcheck.Result{Outcome: healthcheck.Fail, Reason: "connection refused"}

	var h healthcheck.Health
	for _, r := range []healthcheck.Result{pass, fail, fail, fail, pass, pass, slow} {
		h = h.Step(rules, r)
		fmt.Printf("%s: %s\n", h.State, h.Reason)
	}
	// Output:
	// up: passed
	// up: passed
	// up: passed
	// down: connection refused (3 times in a row)
	// down: connection refused (3 times in a row)
	// up: passed (2 times in a row)
	// degraded: slow: answered in 2 s
}

// Two of three checks are to be up: the third is told of, and the server stays.
func ExampleJoint_Step() {
	rules := healthcheck.Join{Need: 2}
	up := healthcheck.Health{State: healthcheck.Up, Decided: true, Reason: "passed"}
	down := healthcheck.Health{State: healthcheck.Down, Decided: true, Reason: "answered 503"}

	var server healthcheck.Joint
	server = server.Step(time.Now(), rules, []healthcheck.Named{{Label: "tcp", Health: up}, {Label: "ping", Health: up}, {Label: "http", Health: down}})
	fmt.Println(server.Verdict.State, "-", server.Verdict.Reason)
	server = server.Step(time.Now(), rules, []healthcheck.Named{{Label: "tcp", Health: up}, {Label: "ping", Health: down}, {Label: "http", Health: down}})
	fmt.Println(server.Verdict.State, "-", server.Verdict.Reason)
	// Output:
	// up - 2 of 3 checks up, 2 wanted; http: answered 503
	// down - ping: answered 503; http: answered 503
}
