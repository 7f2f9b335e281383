// Package genl is the conversation with the kernel that reads and writes its IPVS table,
// the values of package ipvs, over generic netlink.
//
// What github.com/moby/ipvs does correctly it does (library.go): the timeouts, and
// writing one service or real server at a time. Code of our own is for what version
// 1.1.0 of it lacks. Where a test can show the lack (TestLibraryHasNotGrown, and on a
// real kernel ipvstest.SecondHand), it fails once the library has caught up, so that the
// code named here can go.
//
//   - Batches (apply.go, socket.go, encode.go): it sends one command and awaits its
//     answer. 1,000 services with 10 real servers each take it 10.1 s where 200
//     commands to a send take 0.53 s (user-mode Linux), 60.8 s beside 3.4 s (emulated
//     PC), and reading them back there 12.5 s beside 4.6 s.
//   - Reading back the persistence engine and the options of a tunnel, and a weight
//     above 65535, of which it takes 16 bits (read.go, decode.go).
//   - Writing the options of a tunnel, and a real server of the other address family
//     than its service: it does not send the family, and the kernel then takes the
//     first four bytes of an IPv6 address for an IPv4 one (encode.go).
//   - 64-bit counters of connections and packets: it reads the 32-bit ones, and no
//     persistent connections (decode.go).
//   - Connection synchronisation: it has no command for it (global.go).
//   - A whole table while others change it: it takes one dump, in which services are
//     then missing or twice (read.go).
//   - An end of the wait for an answer: it asks again for ever (library.go).
//   - Loading modules (kernel.go): that of a scheduler it does not load. That of IPVS
//     it does, but writes to a log of its own if it cannot, and looks up the number of
//     the netlink family once in the life of a process: without one, all that it is
//     asked for succeeds, and GetConfig panics.
//   - The half-open connections in /proc/net/ip_vs_conn (halfopen.go).
//
// Nor does mdlayher/netlink carry it instead of socket.go: it does not tell in how many
// parts a dump came, by which one that others disturbed is known, nor which request an
// empty dump answers, so that an answer which comes late would be the next one's.
//
//	kernel, err := genl.Open()
//	table, err := kernel.Read()
//	errs := kernel.Apply(ops) // one for each operation, nil for those that were done
package genl
