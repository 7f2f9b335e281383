// Package daemon is `usher run`: it ties the configuration to the three domains,
// keeps them in step through reloads, answers for them to the API, and stops them
// in the right order. It is level-triggered: what a part shall do is computed anew
// from configuration and state whenever either changes.
package daemon
