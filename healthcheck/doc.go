// Package healthcheck decides whether real servers do their work: the settings of every
// kind of check and their validation, what one probe can find out (Result), how many
// results turn a check up or down (Health) and how a server's checks decide together
// (Joint).
//
// It is pure: no socket, no clock, no goroutine. Package healthcheck/engine says when
// which probe runs and drives these decisions; package healthcheck/probe carries probes
// out. A check's state is a value that each result leads to the next:
//
//	rules := healthcheck.Rules{Rise: 2, Fall: 3}
//	var h healthcheck.Health
//	h = h.Step(rules, healthcheck.Result{Outcome: healthcheck.Pass})
//	fmt.Println(h.State, h.Reason) // up passed
//
// The director gets a Verdict of each server, in an Update whenever it changes.
package healthcheck
