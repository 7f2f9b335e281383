package vip

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"usher/vrrp"
)

// Cleanup removes what an earlier process left behind of some instances, before
// the first advertisement of a new one. An address of theirs goes if it is a leftover
// (vrrp.Config.Leftover); one that somebody else put there stays, and is for the
// engine to complain of. It gives all that it removed, and all errors.
func Cleanup(ctx context.Context, kernel Kernel, instances []vrrp.Config) (removed []Object, err error) {
	return cleanup(ctx, kernel, instances, func(c vrrp.Config, f Found) bool { return c.Leftover(f.Local()) })
}

// Withdraw removes what a process that has died held of some instances: what usher
// put there, and nothing else. It gives all that it removed, and all errors.
func Withdraw(ctx context.Context, kernel Kernel, instances []vrrp.Config) (removed []Object, err error) {
	return cleanup(ctx, kernel, instances, func(_ vrrp.Config, f Found) bool { return f.Ours })
}

func cleanup(ctx context.Context, kernel Kernel, instances []vrrp.Config, leftover func(vrrp.Config, Found) bool) (removed []Object, err error) {
	found, err := kernel.Addresses()
	if err != nil {
		return nil, fmt.Errorf("vrrp: list addresses: %w", err)
	}
	there := map[Object]Found{}
	for _, f := range found {
		there[f.Address.Identity()] = f
	}
	var errs []error
	for _, c := range instances {
		p, err := newPlan(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("vrrp: %s: %w", c.Name, err))
			continue
		}
		for _, o := range slices.Backward(slices.Concat(p.standing, p.objects)) {
			if ctx.Err() != nil {
				return removed, errors.Join(append(errs, ctx.Err())...)
			}
			gone, err := cleanup1(kernel, o, func(id Object) bool {
				f, ok := there[id]
				return ok && leftover(c, f)
			})
			if gone {
				removed = append(removed, o)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("vrrp: %s: remove %s: %w", c.Name, o, err))
			}
		}
	}
	return removed, errors.Join(errs...)
}

// cleanup1 removes one object if it is a leftover.
func cleanup1(kernel Kernel, o Object, leftover func(id Object) bool) (gone bool, err error) {
	switch o := o.(type) {
	case Address:
		if !leftover(o.Identity()) {
			return false, nil
		}
	case Sysctl, Up:
		return false, nil // they go with their interface, or cannot be told from others'
	default:
		if seen, err := kernel.Look([]Object{o}); err != nil || !seen[0].Ours() {
			return false, err
		}
	}
	err = kernel.Remove(o)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Local is the address in the domain's words.
func (f Found) Local() vrrp.LocalAddress {
	l := vrrp.LocalAddress{Interface: f.Address.Link, Prefix: f.Address.Prefix, Marked: f.Ours}
	if f.Leased {
		l.Lifetime = max(f.Address.Lease, 1) // the kernel counts down to 0
	}
	return l
}

// sweep removes leftovers of an instance that is not active, which came after the
// start: whoever had them is gone, or has them by mistake.
func (k *worker) sweep(p plan) {
	found, err := k.m.o.Kernel.Addresses()
	if err != nil {
		k.m.o.Log.Error("vrrp: list addresses", "instance", k.name, "error", err)
		return
	}
	for _, f := range found {
		id := f.Address.Identity()
		if !p.belongs[id] || k.work.have[id] != nil || !p.config.Leftover(f.Local()) {
			continue
		}
		switch err := k.m.o.Kernel.Remove(f.Address); {
		case err == nil:
			k.event(vrrp.EventAddressRepaired, f.Address.String()+" was there though this router is not active, left by an usher that is gone, and is removed")
		case !errors.Is(err, fs.ErrNotExist):
			k.event(vrrp.EventAddressFailed, fmt.Sprintf("%s: remove a leftover: %v", f.Address, err))
		}
	}
}
