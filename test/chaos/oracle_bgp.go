package chaos

import (
	"fmt"
	"net/netip"
	"slices"
)

// filterTable is usher's packet filter of what is announced.
const filterTable = "usher_announce"

// announces says whether a director has to announce something, as far as the person who
// looks after it knows.
func (v *view) announces(a Announce) bool {
	switch {
	case v.stopped, v.resting, v.withdrawn[a.Name]:
		return false
	case a.TracksBack && slices.Contains([]string{leftGone, leftDown, leftNoCable, leftRenamed}, v.left["eth1"]):
		return false
	}
	return a.Instance == "" || v.states[a.Instance] == "active"
}

// judgeBGP compares what each director says that it announces with its own lo, and all of
// them with the router's table.
func (w *World) judgeBGP(views []*view) (faults []Fault) {
	if w.router == nil {
		return nil
	}
	table, err := w.router.routes()
	if err != nil {
		return []Fault{{kindStatus, fmt.Sprintf("the router: %v", err)}}
	}
	known := map[netip.Prefix]bool{}
	for _, v := range views {
		faults = append(faults, v.judgeAnnounced(known)...)
		faults = append(faults, v.judgeRouter(table)...)
	}
	for p, hops := range table {
		if !known[p] {
			faults = append(faults, Fault{kindLeft, fmt.Sprintf("the router has %s by %v, which nobody is to announce", p, hops)})
		}
	}
	return faults
}

// judgeAnnounced compares a director's word with its configuration and its kernel. It adds
// what it may announce to known.
func (v *view) judgeAnnounced(known map[netip.Prefix]bool) (faults []Fault) {
	fault := func(kind, format string, a ...any) {
		faults = append(faults, Fault{kind, v.Name + ": " + fmt.Sprintf(format, a...)})
	}
	there := 0
	for _, a := range v.setup.BGP.Announce {
		for _, p := range a.Prefixes {
			known[p] = true
			state, why := v.says(a.Name, p)
			onLo := slices.Contains(v.kernel.addrs, held{"lo", p.Addr()})
			if onLo {
				there++
			}
			switch should := v.announces(a); {
			case should && state != "announced":
				fault(kindNobody, "%s of %s is %q (%s), and nothing is in the way", p, a.Name, state, why)
			case !should && state == "announced":
				fault(kindHold, "%s of %s is announced, and must not be", p, a.Name)
			case should && !onLo:
				fault(kindHold, "%s of %s is announced and not on lo", p, a.Name)
			case !should && onLo:
				fault(kindLeft, "%s of %s is not announced and on lo", p, a.Name)
			}
		}
	}
	if filtered := slices.Contains(v.kernel.tables, filterTable); filtered != (there > 0) {
		fault(kindHold, "%d addresses are held, and the packet filter is there: %t", there, filtered)
	}
	return faults
}

// says is what the status says of an address.
func (v *view) says(announcement string, p netip.Prefix) (state, why string) {
	for _, a := range v.told.Announcements {
		for _, one := range a.Addresses {
			if a.Name == announcement && one.Prefix == p.String() {
				return one.State, one.Text
			}
		}
	}
	return "", "the status does not have it"
}

// judgeRouter compares the router's table with what a director announces: exactly that,
// where it is reached.
func (v *view) judgeRouter(table map[netip.Prefix][]string) (faults []Fault) {
	reached := v.left["eth0"] == ""
	if how := v.left["eth0"]; how == leftRenamed || how == leftDeaf {
		return nil // sessions may go on, or not
	}
	if !v.stopped && reached {
		for _, s := range v.told.Sessions {
			if s.State != "established" {
				faults = append(faults, Fault{kindNobody, fmt.Sprintf("%s: the session with %s is %s (%s)", v.Name, s.Peer, s.State, s.Reason)})
			}
		}
	}
	for _, a := range v.setup.BGP.Announce {
		for _, p := range a.Prefixes {
			hop := own(v.n, "eth0")
			if p.Addr().Is6() {
				hop = six(v.n)
			}
			want := v.announces(a) && reached
			if has := slices.Contains(table[p], hop); has != want {
				faults = append(faults, Fault{kindServe, fmt.Sprintf("%s: the router has %s by it: %t, and is to have it: %t", v.Name, p, has, want)})
			}
		}
	}
	return faults
}

// remainsAnnounced is what is on lo of what was announced, after the end.
func (d *Director) remainsAnnounced(k *kernel) (all []string) {
	if d.setup.BGP == nil {
		return nil
	}
	for _, a := range d.setup.BGP.Announce {
		for _, p := range a.Prefixes {
			if slices.Contains(k.addrs, held{"lo", p.Addr()}) {
				all = append(all, "address "+p.String()+" on lo")
			}
		}
	}
	return all
}
