package director_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/director"
	"usher/director/ipvs"
	"usher/director/ipvstest"
)

// pool is a virtual server "web" of n checked servers of weight 1.
func pool(n int) director.VirtualServer {
	vs := director.VirtualServer{
		Name: "web", Keys: []ipvs.ServiceKey{ipvstest.Key(0)}, Address: "192.0.2.1:80",
		Service: ipvs.Service{Scheduler: "rr"}, Forward: director.NAT, Quorum: 1,
		OnFailure: director.Remove, DrainTimeout: time.Minute,
	}
	for i := range n {
		vs.Real = append(vs.Real, director.RealServer{Address: server(i), Weight: 1, Forward: director.NAT, Checked: true})
	}
	return vs
}

func server(n int) netip.AddrPort { return netip.AddrPortFrom(ipvstest.Dest(n).Address, 80) }

func TestValidate(t *testing.T) {
	if errs := pool(2).Validate(); len(errs) != 0 {
		t.Fatalf("a good one: %v", errs)
	}
	for _, c := range []struct {
		field, text string
		spoil       func(*director.VirtualServer)
	}{
		{"scheduler", `"best" is no scheduler`, func(vs *director.VirtualServer) { vs.Service.Scheduler = "best" }},
		{"scheduler_flags", "scheduler rr has no flags", func(vs *director.VirtualServer) { vs.Service.Flags = ipvs.Sched1 }},
		{"address", "works with persistence only", func(vs *director.VirtualServer) { vs.Keys[0].Port = 0 }},
		{"address", "no address that a service can have", func(vs *director.VirtualServer) { vs.Keys[0].Address = netip.MustParseAddr("0.0.0.0") }},
		{"quorum", "can never be reached", func(vs *director.VirtualServer) { vs.Quorum = 3 }},
		{"quorum", "below 1", func(vs *director.VirtualServer) { vs.Quorum = 0 }},
		{"hysteresis", "outside 0 to quorum-1", func(vs *director.VirtualServer) { vs.Quorum, vs.Hysteresis = 2, 2 }},
		{"hysteresis", "can never be reached", func(vs *director.VirtualServer) { vs.Quorum, vs.Hysteresis = 2, 1 }},
		{"min_healthy", "outside 0 to 1", func(vs *director.VirtualServer) { vs.MinHealthy = 1.5 }},
		{"on_failure", "unknown", func(vs *director.VirtualServer) { vs.OnFailure = "panic" }},
		{"persistence_engine", "needs persistence", func(vs *director.VirtualServer) { vs.Service.Engine = "sip" }},
		{"persistence_netmask", "longer than an address", func(vs *director.VirtualServer) {
			vs.Service.Flags, vs.Service.Persistence, vs.Service.Netmask = ipvs.Persistent, 60, 64
		}},
		{"one_packet", "not for tcp", func(vs *director.VirtualServer) { vs.Service.Flags = ipvs.OnePacket }},
		{"real_server[1]", "no address that a server can have", func(vs *director.VirtualServer) { vs.Real[1].Address = netip.MustParseAddrPort("0.0.0.0:80") }},
		{"real_server[1]", "no address that a server can have", func(vs *director.VirtualServer) {
			vs.Real[1].Address = netip.MustParseAddrPort("255.255.255.255:80")
		}},
		{"sorry_server[0]", "no address that a server can have", func(vs *director.VirtualServer) {
			vs.Sorry = []director.RealServer{{Address: netip.MustParseAddrPort("224.0.0.1:80"), Weight: 1, Forward: director.NAT}}
		}},
		{"real_server[1]", "there twice", func(vs *director.VirtualServer) { vs.Real[1].Address = vs.Real[0].Address }},
		{"sorry_server[0]", "there twice", func(vs *director.VirtualServer) { vs.Sorry = vs.Real[:1] }},
		{"real_server[1].weight", "outside 0 to 65535", func(vs *director.VirtualServer) { vs.Real[1].Weight = 70000 }},
		{"real_server[0].lower_threshold", "above upper_threshold", func(vs *director.VirtualServer) { vs.Real[0].Lower = 1 }},
		{"real_server[0]", "cannot change the port", func(vs *director.VirtualServer) {
			vs.Real[0].Forward = director.DR
			vs.Real[0].Address = netip.AddrPortFrom(vs.Real[0].Address.Addr(), 81)
		}},
		{"real_server[0]", "another address family", func(vs *director.VirtualServer) {
			vs.Real[0].Address = netip.MustParseAddrPort("[2001:db8::1]:80")
		}},
		{"real_server[0].forward_method", "unknown", func(vs *director.VirtualServer) { vs.Real[0].Forward = "fast" }},
		{"real_server[0].tunnel_port", "needs a port", func(vs *director.VirtualServer) {
			vs.Real[0].Forward, vs.Real[0].Tunnel = director.Tun, ipvs.Tunnel{Type: ipvs.GUE}
		}},
		{"real_server[0].tunnel_type", "needs forward_method tun", func(vs *director.VirtualServer) {
			vs.Real[0].Tunnel = ipvs.Tunnel{Type: ipvs.GRE}
		}},
		{"snat_addresses", "need forward_method fullnat", func(vs *director.VirtualServer) {
			vs.SNAT = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/24")}
		}},
		{"snat_addresses[0]", "another address family", func(vs *director.VirtualServer) {
			vs.Real[0].Forward = director.FullNAT
			vs.SNAT = []netip.Prefix{netip.MustParsePrefix("2001:db8::/64")}
		}},
	} {
		vs := pool(2)
		c.spoil(&vs)
		found := false
		for _, err := range vs.Validate() {
			var f *director.FieldError
			if !errors.As(err, &f) || f.VirtualServer() != "web" {
				t.Errorf("%v is no FieldError of web", err)
				continue
			}
			found = found || f.Field() == c.field && strings.Contains(f.Problem, c.text)
		}
		if !found {
			t.Errorf("no error of %s with %q: %v", c.field, c.text, vs.Validate())
		}
	}
}

func TestValidateSetFindsSharedServices(t *testing.T) {
	other := pool(1)
	other.Name = "other"
	errs := director.ValidateSet([]director.VirtualServer{pool(1), other})
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), `virtual_server "other": address: the service tcp 192.0.2.1:80 is that of virtual server "web", too`) {
		t.Errorf("%v", errs)
	}
}
