// Package bfd is Bidirectional Forwarding Detection in asynchronous mode (RFC 5880)
// over a single hop of IPv4 or IPv6 (RFC 5881): it finds within some tens of
// milliseconds that a neighbour is gone.
//
// Session is the protocol without sockets or clock. Engine runs many of them; a
// health check is one user, tracking for VRRP another.
//
//	sessions := bfd.New(log)
//	sessions.Watch(1, bfd.Peer{Address: neighbour, Config: bfd.Config{MinTX: interval, MinRX: interval, Multiplier: 3}}, changed)
//	err := sessions.Run(ctx)
package bfd
