package discover

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"usher/director"
	"usher/director/ipvs"
)

// resolve makes servers of all entries, and notes what is left out, and why. usable is
// how many entries of each source are servers of the pool, its own or another source's.
// An address that is written down is the server that is written; of two sources that list
// the same, the first has it.
func (p *Pool) resolve() (servers []Server, usable []int) {
	taken := make(map[netip.AddrPort]bool)
	judged := make(map[director.RealServer]string, len(p.judged))
	usable = make([]int, len(p.sets))
	for i := range p.sets {
		set, s := &p.sets[i], &p.config.Sources[i]
		set.Ignored = nil
		entries, ranks := set.Entries, ranked(set.Entries)
		if len(set.Held) > 0 {
			entries = sorted(slices.Concat(entries, set.Held))
		}
		for _, e := range entries {
			rs, err := p.server(s, e)
			if err != nil {
				set.Ignored = append(set.Ignored, Ignored{e.shown(), err.Error()})
				continue
			}
			if taken[rs.Address] || p.written[rs.Address] {
				usable[i]++
				continue
			}
			rs.Priority = rank(ranks, e.Priority)
			why, known := p.judged[rs]
			if !known {
				why = p.refused(rs)
			}
			if judged[rs] = why; why != "" {
				set.Ignored = append(set.Ignored, Ignored{e.shown(), why})
				continue
			}
			usable[i]++
			taken[rs.Address] = true
			servers = append(servers, Server{rs, i})
		}
	}
	p.judged = judged
	return servers, usable
}

// server is the server that an entry is, with what it does not say filled in.
func (p *Pool) server(s *Source, e Entry) (director.RealServer, error) {
	rs := p.config.Default
	rs.Address = e.Address
	if rs.Weight = s.Weight; e.Weight != NoWeight {
		rs.Weight = e.Weight
	}
	switch {
	case e.Forward != "":
		rs.Forward = e.Forward
	case s.Forward != "":
		rs.Forward = s.Forward
	}
	if rs.Forward != director.Tun {
		rs.Tunnel = ipvs.Tunnel{}
	}
	if e.Address.Port() != 0 {
		return rs, nil
	}
	port := s.Port
	if keys := p.config.Server.Keys; port == 0 && len(keys) > 0 {
		for _, k := range keys {
			if k.Mark != 0 || k.Port != keys[0].Port {
				return rs, errors.New("it gives no port, and there is none of the service to have: give the source one (port)")
			}
		}
		port = keys[0].Port
	}
	rs.Address = netip.AddrPortFrom(e.Address.Addr(), port)
	return rs, nil
}

// refused says why the pool cannot have a server, "" where it can.
func (p *Pool) refused(rs director.RealServer) string {
	alone := p.config.Server
	alone.Real, alone.Sorry = []director.RealServer{rs}, nil
	for _, err := range alone.Validate() {
		var field *director.FieldError
		if errors.As(err, &field) && strings.HasPrefix(field.Key, "real_server[0]") {
			if _, key, inner := strings.Cut(field.Key, "]."); inner {
				return fmt.Sprintf("%s: %s", key, field.Problem)
			}
			return field.Problem
		}
	}
	if p.config.Admit == nil {
		return ""
	}
	if err := p.config.Admit(rs); err != nil {
		return err.Error()
	}
	return ""
}

// ranked gives the priorities of entries, each once, from the one that is wanted first.
func ranked(entries []Entry) []int {
	all := make([]int, len(entries))
	for i := range entries {
		all[i] = entries[i].Priority
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// rank is a priority as the director has it: 0 is the source's first group, whatever
// number it has there, and stands beside written servers and those of other sources.
func rank(ranks []int, priority int) int {
	n, _ := slices.BinarySearch(ranks, priority)
	return n
}
