package ipvs

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"usher/director"
	"usher/test/lab"
	"usher/test/lab/labtest"
)

// trafficConfig has every kind of service that real servers with the VIP take:
// ports of their own tell them apart on the servers.
const trafficConfig = `
global {
  ipvs { tcp_fin_timeout = "1s" }
}
locals { all = ["10.1.2.3", "10.1.4.5", "10.1.3.8"] }
virtual_server "range of addresses" {
  address        = "192.168.60.220-222:8000"
  scheduler      = "rr"
  forward_method = "dr"
  dynamic "real_server" {
    for_each = local.all
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "range of ports" {
  address        = "192.168.60.223:8000-8002"
  scheduler      = "rr"
  forward_method = "dr"
  real_server "10.1.2.3" {}
}
virtual_server "every port" {
  address             = "192.168.60.224:0"
  scheduler           = "rr"
  forward_method      = "dr"
  persistence         = "300s"
  persistence_netmask = "255.255.255.240"
  dynamic "real_server" {
    for_each = local.all
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "datagrams one by one" {
  address        = "192.168.60.225:8000"
  protocol       = "udp"
  scheduler      = "rr"
  forward_method = "dr"
  one_packet     = true
  dynamic "real_server" {
    for_each = local.all
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "phone" {
  address            = "192.168.60.226:5060"
  protocol           = "udp"
  scheduler          = "rr"
  forward_method     = "dr"
  # A call is one only within the network of its first message.
  persistence         = "60s"
  persistence_netmask = 24
  persistence_engine  = "sip"
  one_packet          = true
  dynamic "real_server" {
    for_each = local.all
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "phone that remembers" {
  address             = "192.168.60.226:5061"
  protocol            = "udp"
  scheduler           = "rr"
  forward_method      = "dr"
  persistence         = "60s"
  persistence_netmask = 24
  persistence_engine  = "sip"
  dynamic "real_server" {
    for_each = local.all
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "every port 6" {
  address             = "[fd00:60::230]:0"
  scheduler           = "rr"
  forward_method      = "dr"
  persistence         = "300s"
  persistence_netmask = 112
  dynamic "real_server" {
    for_each = ["fd00:10::11", "fd00:10::12", "fd00:10::13"]
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "sctp" {
  address        = "192.168.60.227:8000"
  protocol       = "sctp"
  scheduler      = "rr"
  forward_method = "dr"
  dynamic "real_server" {
    for_each = local.all
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "sctp in tunnels" {
  address        = "192.168.60.227:8001"
  protocol       = "sctp"
  scheduler      = "rr"
  forward_method = "tun"
  dynamic "real_server" {
    for_each = local.all
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "thresholds" {
  address        = "192.168.60.228:8000"
  scheduler      = "rr"
  forward_method = "dr"
  real_server "10.1.2.3" {
    upper_threshold = 2
    lower_threshold = 1
  }
  real_server "10.1.4.5" {}
}
virtual_server "mark" {
  fwmark         = 7
  family         = "ipv4"
  scheduler      = "rr"
  forward_method = "dr"
  real_server "10.1.2.3" {}
}
virtual_server "mark6" {
  fwmark         = 7
  family         = "ipv6"
  scheduler      = "rr"
  forward_method = "dr"
  real_server "fd00:10::12" {}
}
# What tells the real servers of the marked services which VIPs they have.
virtual_server "marked" {
  address        = "192.168.60.229:1"
  forward_method = "dr"
  real_server "10.1.2.3" {}
}
virtual_server "marked6" {
  address        = "[fd00:60::229]:1"
  forward_method = "dr"
  real_server "fd00:10::12" {}
}
`

// hashed gives services whose scheduler looks at the client: with each flag.
func hashed() string {
	var b strings.Builder
	for i, flags := range []string{`"sh-port"`, ``, `"mh-port"`, ``, `"sh-fallback"`, `"mh-fallback", "mh-port"`} {
		scheduler := []string{"sh", "sh", "mh", "mh", "sh", "mh"}[i]
		weight := 1
		if strings.Contains(flags, "fallback") {
			weight = 0
		}
		fmt.Fprintf(&b, `
virtual_server "hashed %[1]d" {
  address         = "192.168.60.230:82%02[1]d"
  scheduler       = %[2]q
  scheduler_flags = [%[3]s]
  forward_method  = "dr"
  real_server "10.1.2.3" { weight = %[4]d }
  real_server "10.1.4.5" {}
  real_server "10.1.3.8" {}
}
`, i, scheduler, flags, weight)
	}
	return b.String()
}

// ofEachScheduler gives a service of every scheduler that this kernel has.
func ofEachScheduler() (config string, ports []int) {
	var b strings.Builder
	for i, s := range director.Schedulers() {
		if exec.Command("modprobe", "ip_vs_"+s).Run() != nil {
			continue // see TestDirectorMissingScheduler
		}
		ports = append(ports, 8100+i)
		fmt.Fprintf(&b, `
virtual_server "scheduler %[1]s" {
  address        = "192.168.60.231:%[2]d"
  scheduler      = %[1]q
  forward_method = "dr"
  real_server "10.1.2.3" {}
  real_server "10.1.4.5" {}
  real_server "10.1.3.8" {}
}
`, s, 8100+i)
	}
	return b.String(), ports
}

// tunnels are a service each: from the VIP of either family through every
// encapsulation to a real server of either family.
var tunnels = []struct{ vip, rip, server, tunnel string }{
	{"192.168.60.232", "10.1.2.3", "rs1", `type = "ipip"`},
	{"192.168.60.232", "10.1.2.3", "rs1", `type = "gue", port = 6080`},
	{"192.168.60.232", "10.1.2.3", "rs1", `type = "gue", port = 6080, checksum = "csum"`},
	{"192.168.60.232", "10.1.2.3", "rs1", `type = "gue", port = 6080, checksum = "remcsum"`},
	{"192.168.60.232", "10.1.2.3", "rs1", `type = "gre"`},
	{"192.168.60.232", "10.1.4.5", "rs2", `type = "gre", checksum = "csum"`},
	{"192.168.60.232", "fd00:10::11", "rs1", `type = "ipip"`},
	{"192.168.60.232", "fd00:10::11", "rs1", `type = "gue", port = 6080`},
	{"192.168.60.232", "fd00:10::13", "rs3", `type = "gre"`},
	{"fd00:60::232", "fd00:10::12", "rs2", `type = "ipip"`},
	{"fd00:60::232", "fd00:10::12", "rs2", `type = "gue", port = 6080, checksum = "csum"`},
	{"fd00:60::232", "fd00:10::12", "rs2", `type = "gre", checksum = "csum"`},
	{"fd00:60::232", "10.1.3.8", "rs3", `type = "ipip"`},
	{"fd00:60::232", "10.1.3.8", "rs3", `type = "gue", port = 6080`},
	{"fd00:60::232", "10.1.3.8", "rs3", `type = "gre"`},
}

func tunnelled() string {
	var b strings.Builder
	for i, c := range tunnels {
		rip := c.rip
		if strings.Contains(rip, ":") {
			rip = "[" + rip + "]"
		}
		fmt.Fprintf(&b, `
virtual_server "tunnel %d" {
  address        = %q
  scheduler      = "rr"
  forward_method = "tun"
  real_server "%s:%d" {
    tunnel {
      %s
    }
  }
}
`, i, tunnelEnd(i), rip, 8300+i, strings.ReplaceAll(c.tunnel, ", ", "\n      "))
	}
	return b.String()
}

// tunnelEnd is the address of the service of tunnels[i].
func tunnelEnd(i int) string {
	return netip.AddrPortFrom(netip.MustParseAddr(tunnels[i].vip), uint16(8300+i)).String()
}

// Every kind of service carries traffic the way it says; the real servers are
// prepared by usher itself, from the same file.
func TestDirectorTraffic(t *testing.T) {
	l := suite.New(t, "dr")
	schedulers, ports := ofEachScheduler()
	file := labtest.File(t, l.A, "usher.hcl", trafficConfig+hashed()+schedulers+tunnelled())
	// SCTP's module is loaded by the first socket, on machines that do not forbid it.
	_ = exec.Command("modprobe", "sctp").Run()
	for _, n := range l.Real {
		_, err := n.Usher(t.Context(), "real-server", "-c", file)
		labtest.Must(t, err)
		_, err = n.Usher(t.Context(), "real-server", "-c", file, "--check")
		labtest.Must(t, err)
		for _, port := range []int{8000, 8001, 8002} {
			answerTCP(t, n, port)
		}
		for i := range 6 {
			answerTCP(t, n, 8200+i)
		}
		for _, port := range ports {
			answerTCP(t, n, port)
		}
		for i, c := range tunnels {
			if c.server == n.Name {
				answerTCP(t, n, 8300+i)
			}
		}
		answerUDP(t, n, "192.168.60.225:8000")
		answerSIP(t, n, "192.168.60.226:5060")
		answerSIP(t, n, "192.168.60.226:5061")
		answerSCTP(t, n, netip.MustParseAddrPort("192.168.60.227:8000"))
		answerSCTP(t, n, netip.MustParseAddrPort("192.168.60.227:8001"))
	}
	for i := range 13 {
		labtest.Must(t, l.A.IP(t.Context(), "address", "add", fmt.Sprintf("192.168.60.%d/32", 220+i), "dev", "eth0"))
	}
	for _, a := range []string{"fd00:60::229/128", "fd00:60::230/128", "fd00:60::232/128"} {
		labtest.Must(t, l.A.IP(t.Context(), "address", "add", a, "dev", "eth0", "nodad"))
	}
	labtest.Run(t, l.A, "nft", `add table inet marks; add chain inet marks pre { type filter hook prerouting priority mangle; };
		add rule inet marks pre ip daddr 192.168.60.229 meta mark set 7; add rule inet marks pre ip6 daddr fd00:60::229 meta mark set 7`)
	labtest.Start(t, l.A, "-c", file)
	t.Run("ranges", func(t *testing.T) { ranges(t, l) })
	t.Run("marks", func(t *testing.T) { marks(t, l) })
	t.Run("persistence", func(t *testing.T) { persistence(t, l) })
	t.Run("persistence of IPv6", func(t *testing.T) { persistence6(t, l) })
	t.Run("datagrams", func(t *testing.T) { oneByOne(t, l) })
	t.Run("sip", func(t *testing.T) {
		phone(t, l, "192.168.60.226:5060")
		phone(t, l, "192.168.60.226:5061")
	})
	t.Run("sctp", func(t *testing.T) {
		associations(t, l, "192.168.60.227:8000")
		associations(t, l, "192.168.60.227:8001")
	})
	t.Run("thresholds", func(t *testing.T) { thresholds(t, l) })
	t.Run("hashed", func(t *testing.T) { hashes(t, l) })
	t.Run("schedulers", func(t *testing.T) {
		shown := unchanged(t, l.A)
		for _, port := range ports {
			names(t, l.Client, netip.Addr{}, fmt.Sprintf("192.168.60.231:%d", port), 3)
			if want := fmt.Sprintf("-A -t 192.168.60.231:%d -s %s\n", port, director.Schedulers()[port-8100]); !strings.Contains(shown, want) {
				t.Errorf("ipvsadm -Sn lacks %s", want)
			}
		}
	})
	t.Run("tunnels", func(t *testing.T) { throughTunnels(t, l) })
	t.Run("counters", func(t *testing.T) { counters(t, l, totals{connections: 50, in: 50 * 60}) })
	for _, n := range l.Real {
		_, err := n.Usher(context.WithoutCancel(t.Context()), "real-server", "--undo")
		labtest.Must(t, err)
		if left := labtest.Run(t, n, "ip", "-br", "address"); strings.Contains(left, "192.168.60.2") || strings.Contains(left, "fd00:60::2") {
			t.Errorf("%s: undone, it still has a VIP:\n%s", n.Name, left)
		}
	}
}

func ranges(t *testing.T, l *lab.Lab) {
	for _, last := range []int{220, 221, 222} {
		if got := names(t, l.Client, netip.Addr{}, fmt.Sprintf("192.168.60.%d:8000", last), 6); fmt.Sprint(got) != evenly(2) {
			t.Errorf("address %d: %v", last, got)
		}
	}
	for _, port := range []int{8000, 8001, 8002} {
		if got := names(t, l.Client, netip.Addr{}, fmt.Sprintf("192.168.60.223:%d", port), 2); got["rs1"] != 2 {
			t.Errorf("port %d: %v", port, got)
		}
	}
}

func marks(t *testing.T, l *lab.Lab) {
	for _, port := range []int{8000, 8001} {
		if got := names(t, l.Client, netip.Addr{}, fmt.Sprintf("192.168.60.229:%d", port), 2); got["rs1"] != 2 {
			t.Errorf("IPv4: %v", got)
		}
		if got := names(t, l.Client, netip.Addr{}, fmt.Sprintf("[fd00:60::229]:%d", port), 2); got["rs2"] != 2 {
			t.Errorf("IPv6: %v", got)
		}
	}
}

func throughTunnels(t *testing.T, l *lab.Lab) {
	for i, c := range tunnels {
		t.Run(fmt.Sprintf("%s to %s, %s", c.vip, c.rip, c.tunnel), func(t *testing.T) {
			if got := names(t, l.Client, netip.Addr{}, tunnelEnd(i), 1); len(got) > 0 && got[c.server] != 1 {
				t.Errorf("answered by %v", got)
			}
		})
	}
}
