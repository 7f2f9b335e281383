package director

import (
	"iter"
	"net/netip"
	"strconv"
	"time"

	"usher/director/ipvs"
)

// Settings are what the director sets in the kernel besides services. Nil and
// zero leave the kernel's own value. What was there before is put back by Stop.
type Settings struct {
	// ManageSysctls lets the director write sysctls. Without, one that differs
	// from what is needed is an error that says what to set.
	ManageSysctls bool

	TCPTimeout    time.Duration // whole seconds
	TCPFinTimeout time.Duration
	UDPTimeout    time.Duration

	ExpireNodestConn        *bool
	ExpireQuiescentTemplate *bool
	Conntrack               *bool
	SloppyTCP               *bool
	ScheduleICMP            *bool
	ConnReuseMode           *int // 0..2

	Sync *Sync
}

// Sync is the connection synchronisation daemon: master while the instance is
// active, backup otherwise. SetActive of the engine says which. Without an instance
// both run, as on all of several directors that are active at once.
type Sync struct {
	Instance string          // name of the VRRP instance; "" for none
	Daemon   ipvs.SyncDaemon // Role is not used
}

// SettingStatus is one kernel setting that the director looks after.
type SettingStatus struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Wanted string `json:"wanted"`
	Before string `json:"before,omitempty"` // what Stop puts back; "" where usher did not change it
}

// Sysctls gives, by the kernel's names and values, what the settings ask for and what
// servers cannot work without.
func (s *Settings) Sysctls(servers iter.Seq[*VirtualServer]) map[string]string {
	want := map[string]string{}
	for name, value := range map[string]*bool{
		"expire_nodest_conn":        s.ExpireNodestConn,
		"expire_quiescent_template": s.ExpireQuiescentTemplate,
		"conntrack":                 s.Conntrack,
		"sloppy_tcp":                s.SloppyTCP,
		"schedule_icmp":             s.ScheduleICMP,
	} {
		if value != nil {
			want["net.ipv4.vs."+name] = map[bool]string{true: "1", false: "0"}[*value]
		}
	}
	if s.ConnReuseMode != nil {
		want["net.ipv4.vs.conn_reuse_mode"] = strconv.Itoa(*s.ConnReuseMode)
	}
	var n needs
	for vs := range servers {
		n.add(vs)
	}
	n.want(want)
	return want
}

// needs are the kernel settings that virtual servers cannot work without.
type needs struct{ conntrack, acceptLocal, forward4, forward6 bool }

// add takes a virtual server along.
func (n *needs) add(vs *VirtualServer) {
	vs.servers(func(rs *RealServer) {
		n.conntrack = n.conntrack || rs.Forward == FullNAT
		if key, ok := vs.probe(rs); ok && !key.IPv6 && (rs.Forward == DR || rs.Forward == Tun) {
			// The answer to a probe comes from the VIP, which is a local address while
			// this director is active.
			n.acceptLocal = true
		}
		switch {
		case rs.Forward == DR:
		case rs.Address.Addr().Unmap().Is4():
			n.forward4 = true
		default:
			n.forward6 = true
		}
	})
}

// want adds the settings by the kernel's names and values.
func (n needs) want(sysctls map[string]string) {
	for name, need := range map[string]bool{
		"net.ipv4.vs.conntrack":          n.conntrack,
		"net.ipv4.conf.all.accept_local": n.acceptLocal,
		"net.ipv4.ip_forward":            n.forward4,
		"net.ipv6.conf.all.forwarding":   n.forward6,
	} {
		if need {
			sysctls[name] = "1"
		}
	}
}

func seconds(t time.Duration) uint32 { return uint32((t + time.Second - 1) / time.Second) }

// Timeouts gives have with those that the settings give.
func (s *Settings) Timeouts(have ipvs.Timeouts) ipvs.Timeouts {
	for _, one := range []struct {
		to   *uint32
		from time.Duration
	}{{&have.TCP, s.TCPTimeout}, {&have.TCPFin, s.TCPFinTimeout}, {&have.UDP, s.UDPTimeout}} {
		if one.from != 0 {
			*one.to = seconds(one.from)
		}
	}
	return have
}

// Returning gives the IPv4 addresses of real servers whose replies pass through this
// machine (nat and fullnat), each once. It forwards them by the setting of the interface
// that they come in by, which may be off though net.ipv4.ip_forward is on; IPv6 has one
// setting for all (the kernel's ip-sysctl.rst, forwarding).
func Returning(servers iter.Seq[*VirtualServer]) []netip.Addr {
	seen := map[netip.Addr]bool{}
	var all []netip.Addr
	for vs := range servers {
		vs.servers(func(rs *RealServer) {
			a := rs.Address.Addr().Unmap()
			if (rs.Forward == NAT || rs.Forward == FullNAT) && a.Is4() && !seen[a] {
				seen[a] = true
				all = append(all, a)
			}
		})
	}
	return all
}
