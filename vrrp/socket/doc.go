// Package socket runs an engine on real sockets: an operating-system thread, real
// time where the system permits, that does nothing but receive, send and keep
// time. It never waits on anything else: addresses belong to the holder beside it,
// events go to a channel, commands come through a queue.
//
// A second thread on other processors does what the first has not done shortly after
// it was due: a processor can stand still, and with it every timer set on it.
//
// The loop wakes a little early for a takeover and spins to the deadline, and
// it empties its sockets before it believes any timer, so that an advertisement
// which waits in a queue beats a timer that expired while the process slept.
//
//	loop := socket.New(socket.Options{Log: log, Holder: manager, Events: took, Realtime: true})
//	go loop.Run(ctx)
//	err := loop.Apply(ctx, desired) // again at each change of the configuration
package socket
