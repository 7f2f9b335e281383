// Package vrrpproc is the VRRP process of usher, from all sides. The child runs
// every instance and nothing else, so that no storm of checks and no reload
// delays an advertisement. The parent starts it, hands it the configuration as
// values, and sees to it that nothing of it outlives it: it withdraws the
// addresses of a child that died and starts it again, and the new child resumes
// what was active. A child that finds its parent gone resigns, removes its addresses
// and exits.
//
// The guard is a third process, which holds the other end of a connection to each
// and else does nothing. The child leaves its last will there, for each active
// instance: the adverts of priority 0 and the addresses to remove. When the child dies,
// with its parent or without it, the guard executes that at once, so that a peer
// takes over within Skew_Time and no address is on two routers. A child that is stopped
// when its parent dies is killed first. The parent starts a guard that died again.
//
// All three hold one lock in the state folder. A daemon that is started when another one
// was killed starts its child when the last process of that one is gone, which it ends
// where it has to.
//
// Parent and child talk over one inherited socket pair, in frames of JSON; the will
// goes over another one in lines of JSON.
package vrrpproc
