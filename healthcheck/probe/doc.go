// Package probe carries out health checks: one file for each kind. Every kind is a
// function of one type (healthcheck.Func) whose deadline is its context; it ends
// then, whatever the server does, with everything that it opened. Plain TCP and
// HTTP, which come by the thousand, run on an event loop instead (package loop);
// the words of their answers are the same.
package probe
