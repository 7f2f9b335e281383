// Package sim runs whole directors in virtual time: the real engine, holder,
// health checks and director of each, over kernels and networks in memory, through
// seeded random accidents. One simulated day takes seconds.
//
// A machine's kernel outlives its processes, as in life: what a killed one leaves
// behind stays until its lease runs out or the next one deals with it.
//
// # Invariants
//
//   - Safety: two machines that hear each other never both hold a virtual address
//     for longer than it takes one advertisement to come through (Bound.Split), from
//     the moment that both hold it and hear each other.
//   - Liveness: in every set of machines that hear each other, of which at least one
//     is able, some machine holds every address Bound.None after the last accident.
//   - Sync groups: the members of a group are all held by one machine, or none of them
//     is, but for Bound.Group.
//   - Moderation: whatever it hears, a machine never sends more than Plan.adverts
//     advertisements of one family in an interval (RFC 9568 section 6.4.3 alone has no
//     bound, where somebody answers each one).
//   - Rest: when nothing has happened for long enough (Bound.Rest), the able machine
//     with the highest priority is active (where it preempts), and the kernel's IPVS
//     table of every able machine is what the configuration and the servers' true
//     health make it, foreign services untouched.
//   - Nothing is left: after a stop no address and none of usher's services remain, and no
//     goroutine (a synctest bubble fails on one).
package sim
