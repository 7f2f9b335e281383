package hold

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"usher/vrrp"
)

// Cleanup removes what an earlier process left behind of some instances, before
// the first advertisement of a new one, or after the death of the process that
// held it. An address of these instances goes if usher put it there, or if this
// router is not its owner (priority 255): nobody but the active router may have
// it. It gives all that it removed, and all errors.
func Cleanup(ctx context.Context, kernel Kernel, instances []vrrp.Config) (removed []Object, err error) {
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
		for _, o := range p.objects {
			if ctx.Err() != nil {
				return removed, errors.Join(append(errs, ctx.Err())...)
			}
			f, ok := there[o.Identity()]
			if !ok || (!f.Ours && c.Priority == vrrp.OwnerPriority) {
				continue
			}
			switch err := kernel.Remove(o); {
			case err == nil:
				removed = append(removed, o)
			case !errors.Is(err, fs.ErrNotExist):
				errs = append(errs, fmt.Errorf("vrrp: %s: remove %s: %w", c.Name, o, err))
			}
		}
	}
	return removed, errors.Join(errs...)
}
