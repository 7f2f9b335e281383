// Package notify tells the world of changes of state: by commands, webhooks and
// mail. Each way out has a lane of its own, in which changes are delivered in
// order and one at a time; all commands of one object share one lane, so that two
// of them never run at once. A lane that lags leaves out what later changes have
// superseded, never the last state.
package notify
