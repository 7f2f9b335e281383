// Package loop opens many short TCP connections from one goroutine: an epoll event
// loop that costs no goroutine, no timer and few system calls for a connection.
//
// A connection ends with a reset, never with FIN, so that no TIME_WAIT stays
// behind. It is disconnected rather than closed (connect(2) to AF_UNSPEC), and its
// descriptor serves the next probe: that saves the making and closing of a socket,
// which cost more than a third of a probe. A half-open connection has its quick
// acknowledgement off (tcp(7), TCP_QUICKACK): the kernel holds back the last
// segment of the handshake, and the reset goes out in its place, so that the
// server's accept(2) never returns.
//
//	l := loop.New()
//	go l.Run(ctx)
//	l.Start([]loop.Dial{{To: server, Timeout: time.Second, Exchange: e}}) // e is told what came of it
package loop
