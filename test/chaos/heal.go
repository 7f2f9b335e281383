package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// later has something be undone when the world is healed.
func (w *World) later(undo func()) { w.undo = append(w.undo, undo) }

// heal makes the world one in which the directors can do their work, as the people
// who look after it would, but for what stays. Usher's own things are left as they
// are.
func (w *World) heal(ctx context.Context) error {
	w.note("healing")
	for _, d := range w.directors {
		d.signal(syscall.SIGCONT, d.family()...)
		if d.ending {
			d.awaitEnd(ctx) // now it hears what it was told
		}
	}
	for _, undo := range slices.Backward(w.undo) {
		undo()
	}
	w.undo = nil
	if err := w.LAN.Do(w.healSwitches); err != nil {
		return err
	}
	for _, d := range w.directors {
		if err := d.heal(ctx); err != nil {
			return err
		}
	}
	return errors.Join(w.healPool(ctx), w.healRouter(ctx))
}

func (d *Director) heal(ctx context.Context) error {
	d.own(ctx)
	d.restoreSettings()
	os.Remove(d.filler()) //nolint:errcheck // it is there only where an action made it
	d.writable(true)
	if err := d.goodTracks(ctx); err != nil {
		return err
	}
	if d.dirty || !d.running() {
		if err := replace(filepath.Join(d.Dir, "usher.hcl"), d.setup.HCL(d.n, d.places), 0o644); err != nil {
			return err
		}
	}
	switch {
	case d.stopped:
	case !d.running():
		d.revive(ctx)
	case d.dirty:
		d.reread(ctx)
	}
	if d.spoilt && d.running() && !d.inMaintenance(ctx) {
		d.resting = false // it was in the state folder
	}
	if d.running() && !d.resting && d.inMaintenance(ctx) {
		d.usher(ctx, "maintenance", "off")
	}
	return nil
}

// cable connects an interface that is gone again.
func (d *Director) cable(ctx context.Context, iface string) {
	k, err := look(d.Node)
	if err != nil || k.links[d.now(iface)] != nil {
		return
	}
	delete(d.renamed, iface)
	err = d.world.Plug(d.Node, iface, bridge(iface), base(d.n, iface)...)
	d.world.note("  %s: %s is made again: %v", d.Name, iface, err)
}

// rename gives an interface of the director another name, or its own again.
func (d *Director) rename(ctx context.Context, iface, name string) {
	have := d.now(iface)
	if have == name {
		return
	}
	d.world.sh(ctx, d.Node, "ip", "link", "set", have, "name", name)
	if k, err := look(d.Node); err != nil || k.links[name] == nil {
		return // it was not there
	}
	if d.renamed[iface] = name; name == iface {
		delete(d.renamed, iface)
	}
}

// restoreSettings puts back what somebody changed by hand, but for what usher itself
// sets: that it has to put right alone.
func (d *Director) restoreSettings() {
	mine := d.settings()
	for _, key := range slices.Sorted(maps.Keys(d.touched)) {
		if _, ours := mine[key]; !ours {
			d.world.note("  %s: sysctl %s=%s: %v", d.Name, key, d.touched[key], d.Sysctl(key, d.touched[key]))
		}
	}
}

// settings are the kernel settings that usher holds for the director's configuration.
func (d *Director) settings() map[string]string {
	all := map[string]string{}
	for _, in := range d.setup.Instances {
		for dev := range in.devices() {
			if strings.HasPrefix(dev, "vrrp4") {
				all["net/ipv4/conf/"+in.Interface+"/arp_ignore"] = "1"
				all["net/ipv4/conf/"+in.Interface+"/arp_announce"] = "2"
				all["net/ipv4/conf/"+dev+"/arp_ignore"] = "1"
				all["net/ipv4/conf/"+dev+"/rp_filter"] = "2"
				all["net/ipv4/conf/"+dev+"/accept_local"] = "1"
			}
		}
		for _, v := range in.VIPs {
			if in.LocalRoute && v.Prefix.Addr().Is6() {
				all["net/ipv6/conf/"+in.device(v)+"/proxy_ndp"] = "1"
			}
		}
	}
	if d.setup.Forward != "" {
		all["net/ipv4/ip_forward"] = "1"
		all["net/ipv4/vs/expire_nodest_conn"] = "1"
		all["net/ipv4/vs/expire_quiescent_template"] = "1"
	}
	if d.setup.Forward == "fullnat" {
		all["net/ipv4/vs/conntrack"] = "1"
	}
	return all
}

// judgeSettings compares the kernel settings with those that usher holds, where the
// interfaces that they are of are there.
func (v *view) judgeSettings() (faults []Fault) {
	if v.stopped || !v.running() {
		return nil
	}
	want := v.settings()
	have, err := settings(v.Node, slices.Collect(maps.Keys(want)))
	if err != nil {
		return []Fault{{kindSettings, err.Error()}}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, there := have[key]; there && value != want[key] {
			faults = append(faults, Fault{kindSettings, fmt.Sprintf("%s: %s is %s, not %s", v.Name, key, value, want[key])})
		}
	}
	return faults
}
