package conf

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"

	"usher/director"
	"usher/healthcheck"
)

// The marks of probes that go through a service are 0x75000000 to 0x75ffffff: an
// unlikely first byte among marks that people choose.
const (
	marksFirst = 0x75000000
	marksMask  = 0x00ffffff
)

// preferredMark is the firewall mark of the probes to one server through its service,
// unless another has it. It depends on both names alone, so that it stays over reloads
// and restarts.
func preferredMark(service string, server netip.AddrPort) uint32 {
	sum := sha256.Sum256([]byte(service + " " + server.String()))
	return marksFirst | binary.BigEndian.Uint32(sum[:])&marksMask
}

// probed is a server with a mark.
type probed struct {
	mark    uint32
	address netip.AddrPort
	pool    *VirtualServer
}

func (p probed) compare(o probed) int {
	return cmp.Or(cmp.Compare(p.mark, o.mark), cmp.Compare(p.pool.Name, o.pool.Name), p.address.Compare(o.address))
}

// distinctMarks gives a mark of its own to every server whose preferred mark is
// another's, too, or a service's. Which of them keeps it depends on their names alone,
// and the others have the next one that nobody prefers: so the same servers have the
// same marks in whatever order and by whichever way they are read. What is shared with
// other configurations is copied before it is changed.
func distinctMarks(pools []VirtualServer) {
	var all []probed
	wanted := map[uint32]int{}
	services := map[uint32]bool{}
	for i := range pools {
		v := &pools[i]
		for _, k := range v.Keys {
			if k.Mark != 0 {
				services[k.Mark] = true
				wanted[k.Mark]++
			}
		}
		for _, list := range [...][]director.RealServer{v.Real, v.Sorry} {
			for j := range list {
				if mark := list[j].ProbeMark; mark != 0 {
					wanted[mark]++
					all = append(all, probed{mark, list[j].Address, v})
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(p probed) bool { return wanted[p.mark] == 1 })
	slices.SortFunc(all, probed.compare)
	for i, p := range all {
		if (i == 0 || all[i-1].mark != p.mark) && !services[p.mark] {
			continue
		}
		mark := p.mark
		for wanted[mark] > 0 {
			mark = marksFirst | (mark+1)&marksMask
		}
		wanted[mark]++
		p.pool.remark(p.address, mark)
	}
}

// remark gives the probes to a server another mark.
func (v *VirtualServer) remark(address netip.AddrPort, mark uint32) {
	for _, list := range [...]*[]director.RealServer{&v.Real, &v.Sorry} {
		if i := slices.IndexFunc(*list, func(r director.RealServer) bool { return r.Address == address }); i >= 0 {
			*list = slices.Clone(*list)
			(*list)[i].ProbeMark = mark
		}
	}
	i := slices.IndexFunc(v.Targets, func(t healthcheck.Target) bool { return t.ID.RealServer == address })
	v.Targets = slices.Clone(v.Targets)
	t := &v.Targets[i]
	t.Checks = slices.Clone(t.Checks)
	for j := range t.Checks {
		if via := t.Checks[j].Via; via != nil {
			t.Checks[j].Via = &healthcheck.Via{Service: via.Service, Mark: mark}
		}
	}
}
