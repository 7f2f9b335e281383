// Package announce decides which host routes this director announces by BGP: a virtual
// address is announced while this director can serve it, and only then, and it is taken
// back in the order that loses no connection.
//
// Up: the address is on lo, the IPVS table is in place, the first probes have answered, the
// quorum is there and all of that has lasted for up_delay; then it is announced. Down: the
// routers are asked to prefer others (RFC 8326) for drain_timeout where nothing is wrong,
// then it is withdrawn, what still comes is forwarded for the linger time, then the address
// goes, and then the table may. Machine is these rules for one prefix, as a value:
//
//	m := announce.NewMachine(announce.Parameters{UpDelay: 10 * time.Second, Linger: 5 * time.Second})
//	m, actions := m.Step(announce.Input{Conditions: c, Parameters: p}, now)
//	at, ok := m.Next() // when to step it though nothing has changed
package announce
