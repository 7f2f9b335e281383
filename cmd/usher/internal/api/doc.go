// Package api is usher's HTTP interface: the documents that it speaks (Status,
// Health, ...), the handlers, and the client that the command line uses over the
// control socket. Over TCP it is read-only; what changes state is reachable
// through the control socket and, where configured, with a client certificate.
package api
