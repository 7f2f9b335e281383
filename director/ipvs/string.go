package ipvs

import (
	"fmt"
	"strconv"
	"strings"
)

// String gives the operator's word for a forward method.
func (f Forward) String() string {
	switch f {
	case NAT:
		return "nat"
	case Local:
		return "local"
	case Tun:
		return "tun"
	case DR:
		return "dr"
	}
	return "forward method " + strconv.Itoa(int(f))
}

// String gives the encapsulation's lower-case name.
func (t TunnelType) String() string {
	switch t {
	case IPIP:
		return "ipip"
	case GUE:
		return "gue"
	case GRE:
		return "gre"
	}
	return "tunnel type " + strconv.Itoa(int(t))
}

// String describes a service's settings, as in "wrr persistent 300s/24".
func (s Service) String() string {
	parts := []string{s.Scheduler}
	if names := s.Flags.Names(s.Scheduler); len(names) > 0 {
		parts = append(parts, "("+strings.Join(names, " ")+")")
	}
	if s.Flags&Persistent != 0 {
		parts = append(parts, fmt.Sprintf("persistent %ds/%d", s.Persistence, s.Netmask))
	}
	if s.Engine != "" {
		parts = append(parts, "engine "+s.Engine)
	}
	if s.Flags&OnePacket != 0 {
		parts = append(parts, "ops")
	}
	return strings.Join(parts, " ")
}

// Names gives the scheduler flags in f by the names that ipvsadm has for them:
// sh-fallback, sh-port, mh-fallback, mh-port, and flag-1 to flag-3 for others.
func (f Flags) Names(scheduler string) []string {
	var names []string
	own := scheduler == "sh" || scheduler == "mh"
	for _, one := range []struct {
		bit          Flags
		suffix, bare string
	}{{Sched1, "-fallback", "flag-1"}, {Sched2, "-port", "flag-2"}, {Sched3, "", "flag-3"}} {
		switch {
		case f&one.bit == 0:
		case own && one.suffix != "":
			names = append(names, scheduler+one.suffix)
		default:
			names = append(names, one.bare)
		}
	}
	return names
}

// String describes a destination's settings, as in "nat weight 1".
func (d Destination) String() string {
	s := fmt.Sprintf("%s weight %d", d.Forward, d.Weight)
	if d.Forward == Tun && d.Tunnel != (Tunnel{}) {
		s += " " + d.Tunnel.String()
	}
	if d.Upper != 0 || d.Lower != 0 {
		s += fmt.Sprintf(" thresholds %d/%d", d.Upper, d.Lower)
	}
	return s
}

// String describes an encapsulation, as in "gue port 6080 csum".
func (t Tunnel) String() string {
	s := t.Type.String()
	if t.Port != 0 {
		s += fmt.Sprintf(" port %d", t.Port)
	}
	if t.Flags&TunnelCsum != 0 {
		s += " csum"
	}
	if t.Flags&TunnelRemCsum != 0 {
		s += " remcsum"
	}
	return s
}
