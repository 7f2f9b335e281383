// Package bgp is this director as a BGP speaker: GoBGP, as a library, behind the few calls
// that announcing needs (package announce). It announces paths to routers and takes none.
//
// It connects to the routers and listens on no port: routers accept sessions unless they
// are told otherwise, another speaker on this machine is no conflict, and nothing new is
// open to the network.
//
// What GoBGP 4.8.0 does in another way than one would think, and is met here:
//
//   - An import policy that rejects everything also drops paths of one's own, without an
//     error: those of type local are accepted first.
//   - A TCP MD5 password that is not the router's is silent: the session stays active for
//     ever. What its dialler logs (at debug level, and nowhere else) becomes the reason of
//     a session that does not come up.
//   - Its BFD resets sessions that are well, and wants the port of ours: it is never given
//     a BFD peer, and listens only while there is one.
//   - A hold time of 0 is its default of 90 s: it is refused.
//   - It keeps what a router sends for as long as the session lasts, though nothing of it
//     is used: more than maxReceived prefixes close the session.
//   - A notification to a session that is not established waits for the next one, and ends
//     that: only established ones are reset, and one that ends otherwise at that moment is
//     removed and added.
//   - Stopped, it cannot be started again: another autonomous system number or router
//     identifier is another server.
//
// Its use:
//
//	s := bgp.New(bgp.Options{Log: log, BFD: detection, Started: tellAnew, Changed: show})
//	go s.Run(ctx) // again after an error, and a while
//	err := s.Configure(announce.Local{ASN: 65001, RouterID: id}, peers)
//	err = s.Announce(announce.Path{Prefix: host})
package bgp
