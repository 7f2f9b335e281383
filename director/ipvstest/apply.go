package ipvstest

import (
	"slices"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// Apply does ops in order and goes on after one that failed, as the kernel does
// with a batch of messages.
func (k *Kernel) Apply(ops []ipvs.Op) []error {
	k.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	errs := make([]error, len(ops))
	failed := false
	for i, op := range ops {
		var err error
		if k.Fail != nil {
			err = k.Fail(op)
		}
		if err == nil {
			err = k.refuse(op)
		}
		if err != nil {
			errs[i], failed = err, true
			continue
		}
		director.ApplyOp(k.table, op)
		k.history = append(k.history, op)
		k.forget(op)
		if k.watch != nil {
			k.watch(k.table)
		}
		if k.Lose != nil && k.Lose(op) {
			errs[i], failed = unix.ETIMEDOUT, true
		}
	}
	if !failed {
		return nil
	}
	return errs
}

// forget drops the counters of what is gone.
func (k *Kernel) forget(op ipvs.Op) {
	switch op.Kind {
	case ipvs.DelService:
		delete(k.counters, op.Key)
	case ipvs.DelDestination:
		delete(k.counters[op.Key], op.Dest)
	}
}

// refuse gives the errno that the kernel would answer (ip_vs_ctl.c).
func (k *Kernel) refuse(op ipvs.Op) error {
	e, there := k.table[op.Key]
	if op.Kind == ipvs.AddService && there {
		return unix.EEXIST
	}
	if op.Kind != ipvs.AddService && !there {
		return unix.ESRCH
	}
	switch op.Kind {
	case ipvs.AddService, ipvs.EditService:
		return k.refuseService(op)
	case ipvs.AddDestination, ipvs.EditDestination, ipvs.DelDestination:
		return k.refuseDestination(op, e)
	}
	return nil
}

func (k *Kernel) refuseService(op ipvs.Op) error {
	known := k.Schedulers
	if known == nil {
		known = director.Schedulers()
	}
	s := op.Service
	switch {
	case !slices.Contains(known, s.Scheduler):
		return &ipvs.ModuleError{Kind: "scheduler", Name: s.Scheduler, Module: "ip_vs_" + s.Scheduler, Errno: unix.ENOENT}
	case s.Engine != "" && s.Engine != "sip":
		return &ipvs.ModuleError{Kind: "persistence engine", Name: s.Engine, Module: "ip_vs_pe_" + s.Engine, Errno: unix.ENOENT}
	case op.Key.Is6() && (s.Netmask < 1 || s.Netmask > 128):
		return unix.EINVAL
	}
	return nil
}

func (k *Kernel) refuseDestination(op ipvs.Op, e ipvs.Entry) error {
	_, there := e.Destinations[op.Dest]
	d := op.Destination
	mixed := op.Key.Is6() != op.Dest.Address.Unmap().Is6()
	switch {
	case op.Kind != ipvs.DelDestination && mixed && (d.Forward != ipvs.Tun || len(k.daemons) > 0):
		// The synchronisation protocol has no room for two families.
		return unix.EINVAL
	case op.Kind == ipvs.DelDestination && !there:
		return unix.ENOENT
	case op.Kind == ipvs.DelDestination:
		return nil
	case int32(d.Weight) < 0, d.Lower > d.Upper:
		return unix.ERANGE
	case d.Forward == ipvs.Tun && d.Tunnel.Type == ipvs.GUE && d.Tunnel.Port == 0:
		return unix.EINVAL
	case op.Kind == ipvs.AddDestination && there:
		return unix.EEXIST
	case op.Kind == ipvs.EditDestination && !there:
		return unix.ENOENT
	}
	return nil
}
