package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"usher/director"
	"usher/director/ipvs"
)

// Stop ends an Engine whose Run has returned. With keep the kernel goes on as it
// is and the next Director adopts it. Without, everything of ours is removed and
// the settings that were changed are put back; others' services stay.
func (d *Engine) Stop(ctx context.Context, keep bool) error {
	if err := d.remember(true); err != nil {
		return err
	}
	if !keep {
		d.flushSync(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if keep {
		if err := d.memory.save(d.file()); err != nil {
			return fmt.Errorf("director: remember what is owned: %w", err)
		}
		return nil
	}
	errs := []error{d.removeServices(ctx), d.removeSNAT(), d.restoreSync(), d.restoreTimeouts(), d.restoreSysctls()}
	if err := d.memory.save(d.file()); err != nil {
		errs = append(errs, fmt.Errorf("director: remember what is owned: %w", err))
	}
	return errors.Join(errs...)
}

func (d *Engine) removeServices(ctx context.Context) error {
	have, err := d.options.Kernel.Read()
	if err != nil {
		return fmt.Errorf("director: read the IPVS table: %w", err)
	}
	ops := director.Plan(ipvs.Table{}, have.Subset(d.owned))
	var errs []error
	for chunk := range slices.Chunk(ops, 1000) {
		if err := ctx.Err(); err != nil {
			errs = append(errs, fmt.Errorf("director: clean the IPVS table: %w", err))
			break
		}
		results := d.options.Kernel.Apply(chunk)
		for i, op := range chunk {
			if results != nil && results[i] != nil && !errors.Is(results[i], unix.ESRCH) {
				errs = append(errs, fmt.Errorf("director: %s: %w", op, results[i]))
				continue
			}
			delete(d.owned, op.Key)
			d.stats.Ops[op.Kind]++
		}
	}
	if len(errs) == 0 {
		clear(d.owned)
	}
	d.memory.setOwned(d.owned)
	d.shadow = nil
	return errors.Join(errs...)
}

func (d *Engine) removeSNAT() error {
	if d.options.SNAT == nil || !d.memory.SNAT {
		return nil
	}
	if err := d.options.SNAT.Remove(); err != nil {
		return fmt.Errorf("director: remove the fullnat rules: %w", err)
	}
	d.memory.SNAT = false
	return nil
}

func (d *Engine) restoreTimeouts() error {
	if d.memory.Timeouts == nil {
		return nil
	}
	if err := d.options.Kernel.SetTimeouts(*d.memory.Timeouts); err != nil {
		return fmt.Errorf("director: put the IPVS timeouts back: %w", err)
	}
	d.memory.Timeouts = nil
	return nil
}

func (d *Engine) restoreSysctls() error {
	if d.options.Sysctl == nil {
		return nil
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(d.memory.Sysctls)) {
		if err := d.options.Sysctl.Set(name, d.memory.Sysctls[name]); err != nil {
			errs = append(errs, fmt.Errorf("director: put %s back: %w", name, err))
			continue
		}
		delete(d.memory.Sysctls, name)
	}
	return errors.Join(errs...)
}
