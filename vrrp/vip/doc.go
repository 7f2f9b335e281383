// Package vip keeps what belongs to an active virtual router in the kernel: its
// addresses, on a lease, and the announcements that tell the neighbours.
//
// The Manager stands beside the loop that sends advertisements and never makes
// it wait: Set only notes what is wanted and wakes a worker, one goroutine for
// each instance, which brings the kernel there. It is level-triggered: the
// latest call wins, whatever was wanted in between, and what somebody else
// takes away is put back in place.
//
// Before a takeover the loop says Soon: urgent threads, threads on different processors, then
// stay awake and do the worker's work the moment that Set is called, whichever is
// first, so that neither a sleeping thread nor a processor that stands still delays
// the first announcement.
//
// An audit compares everything that all instances hold with the kernel, by identity
// and attributes, when the kernel tells of a change and each second for what it does
// not tell of. An instance that lacks something for a second is told of
// (Options.Unheld), for its owner to let a peer have it; it may come back when a trial
// with stand-ins says that the kernel would take everything.
//
// Every address carries a kernel lifetime, its lease, and is renewed at a third
// of it. When all of usher is dead, hung or stopped, the kernel itself removes
// the address. A worker that wakes too late therefore must not renew: somebody
// else may be active by now. It asks (Options.Confirm), and goes on only after
// another Set(name, true).
//
// The system itself is behind Kernel: package rtnl is the real one, package
// viptest the double that behaves like it, and the suite that proves so.
//
//	kernel, err := rtnl.Open()
//	manager := vip.New(vip.Options{Kernel: kernel, Log: log})
//	go manager.Run(ctx)
//	err = manager.Configure(config) // of one instance
//	manager.Set("web", true)        // returns at once; Held says when it is done
package vip
