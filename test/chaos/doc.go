// Package chaos does to directors what a world does that asks nobody: it draws a
// configuration and a sequence of actions by seed, deletes interfaces, flushes
// tables, kills, stops and cuts off, then leaves the world alone and looks whether
// every virtual address is held whole by one director and served to a client, or
// the status says what a person has to do; whether the status says what the kernel
// has; and whether anything is left where it should not be.
//
// It works on namespaces, links and processes of test/lab, in real time. Accidents in
// virtual time, far more of them, are test/sim's.
package chaos
