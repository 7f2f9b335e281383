package ipvs

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// natConfig has the kinds of service whose packets IPVS rewrites: every protocol,
// with servers on ports other than the service's, and both families.
const natConfig = `
locals {
  all  = ["10.1.2.3", "10.1.4.5", "10.1.3.8"]
  all6 = ["[fd00:10::11]", "[fd00:10::12]", "[fd00:10::13]"]
}
virtual_server "range of addresses" {
  address        = "192.168.60.220-221:80"
  scheduler      = "rr"
  forward_method = "nat"
  dynamic "real_server" {
    for_each = local.all
    labels   = ["${real_server.value}:8000"]
    content {}
  }
}
virtual_server "weights" {
  address        = "192.168.60.222:80"
  scheduler      = "wrr"
  forward_method = "nat"
  real_server "10.1.2.3:8000" { weight = 3 }
  real_server "10.1.4.5:8000" { weight = 2 }
  real_server "10.1.3.8:8000" {}
}
virtual_server "every port" {
  address        = "192.168.60.223:0"
  scheduler      = "rr"
  forward_method = "nat"
  persistence    = "300s"
  dynamic "real_server" {
    for_each = local.all
    labels   = [real_server.value]
    content {}
  }
}
virtual_server "datagrams" {
  address        = "192.168.60.224:53"
  protocol       = "udp"
  scheduler      = "rr"
  forward_method = "nat"
  dynamic "real_server" {
    for_each = local.all
    labels   = ["${real_server.value}:8000"]
    content {}
  }
}
virtual_server "one way" {
  address        = "192.168.60.224:514"
  protocol       = "udp"
  scheduler      = "rr"
  forward_method = "nat"
  one_packet     = true
  dynamic "real_server" {
    for_each = local.all
    labels   = ["${real_server.value}:8000"]
    content {}
  }
}
virtual_server "phone" {
  address             = "192.168.60.225:5060"
  protocol            = "udp"
  scheduler           = "rr"
  forward_method      = "nat"
  # A call is one only within the network of its first message.
  persistence         = "60s"
  persistence_netmask = 24
  persistence_engine  = "sip"
  one_packet          = true
  dynamic "real_server" {
    for_each = local.all
    labels   = ["${real_server.value}:8001"]
    content {}
  }
}
virtual_server "sctp" {
  address        = "192.168.60.226:36412"
  protocol       = "sctp"
  scheduler      = "rr"
  forward_method = "nat"
  dynamic "real_server" {
    for_each = local.all
    labels   = ["${real_server.value}:8000"]
    content {}
  }
}
virtual_server "six" {
  address        = "[fd00:60::220]:80"
  scheduler      = "rr"
  forward_method = "nat"
  dynamic "real_server" {
    for_each = local.all6
    labels   = ["${real_server.value}:8000"]
    content {}
  }
}
virtual_server "mark" {
  fwmark         = 7
  family         = "ipv4"
  scheduler      = "rr"
  forward_method = "nat"
  dynamic "real_server" {
    for_each = local.all
    labels   = ["${real_server.value}:8000"]
    content {}
  }
}
virtual_server "mark6" {
  fwmark         = 7
  family         = "ipv6"
  scheduler      = "rr"
  forward_method = "nat"
  dynamic "real_server" {
    for_each = local.all6
    labels   = ["${real_server.value}:8000"]
    content {}
  }
}
`

// What IPVS rewrites is rewritten both ways, whichever protocol it is.
func TestDirectorTrafficNAT(t *testing.T) {
	l := suite.New(t, "nat")
	// SCTP's module is loaded by the first socket, on machines that do not forbid it.
	_ = exec.Command("modprobe", "sctp").Run()
	for i, n := range l.Real {
		labtest.Must(t, n.IP(t.Context(), "-6", "route", "add", "default", "via", "fd00:10::2"))
		answerTCP(t, n, 8000)
		answerTCP(t, n, 8001)
		answerUDP(t, n, ":8000")
		answerSIP(t, n, ":8001")
		answerSCTP(t, n, netip.AddrPortFrom(lab.RIPs[i], 8000))
	}
	labtest.Must(t, l.A.IP(t.Context(), "address", "add", lab.BackVIP.String()+"/32", "dev", "eth1"))
	for i := range 8 {
		labtest.Must(t, l.A.IP(t.Context(), "address", "add", fmt.Sprintf("192.168.60.%d/32", 220+i), "dev", "eth0"))
	}
	for _, a := range []string{"fd00:60::220/128", "fd00:60::227/128"} {
		labtest.Must(t, l.A.IP(t.Context(), "address", "add", a, "dev", "eth0", "nodad"))
	}
	labtest.Run(t, l.A, "nft", `add table inet marks; add chain inet marks pre { type filter hook prerouting priority mangle; };
		add rule inet marks pre ip daddr 192.168.60.227 meta mark set 7; add rule inet marks pre ip6 daddr fd00:60::227 meta mark set 7`)
	labtest.Start(t, l.A, "-c", labtest.File(t, l.A, "usher.hcl", natConfig))
	t.Run("streams", func(t *testing.T) {
		for _, vip := range []string{"192.168.60.220:80", "192.168.60.221:80", "[fd00:60::220]:80", "192.168.60.227:80", "[fd00:60::227]:81"} {
			if got := names(t, l.Client, netip.Addr{}, vip, 6); fmt.Sprint(got) != evenly(2) {
				t.Errorf("%s: %v", vip, got)
			}
		}
	})
	t.Run("weights", func(t *testing.T) {
		if got := names(t, l.Client, netip.Addr{}, "192.168.60.222:80", 6); got["rs1"] != 3 || got["rs2"] != 2 || got["rs3"] != 1 {
			t.Errorf("%v, want 3, 2 and 1", got)
		}
	})
	t.Run("every port", func(t *testing.T) {
		first, c, err := connect(l.Client, lab.ClientAddr(0), "192.168.60.223:8000")
		labtest.Must(t, err)
		c.Close()
		if got := names(t, l.Client, lab.ClientAddr(0), "192.168.60.223:8001", 3); got[first] != 3 {
			t.Errorf("%v, want %s", got, first)
		}
	})
	t.Run("datagrams", func(t *testing.T) {
		count := map[string]int{}
		for range 6 { // a port each
			for name := range datagrams(t, l.Client, lab.ClientAddr(0), "192.168.60.224:53", "?", 2) {
				count[name]++
			}
		}
		if fmt.Sprint(count) != evenly(2) {
			t.Error(count)
		}
	})
	t.Run("one way", func(t *testing.T) { oneWay(t, l, "192.168.60.224:514") })
	t.Run("sip", func(t *testing.T) { phone(t, l, "192.168.60.225:5060") })
	t.Run("sctp", func(t *testing.T) { associations(t, l, "192.168.60.226:36412") })
	if shown := labtest.Run(t, l.A, "ipvsadm", "-Ln"); strings.Count(shown, "Masq") != 11*3 {
		t.Errorf("not all are by nat:\n%s", shown)
	}
}

// One-packet scheduling by nat reaches every server, but the answers are the servers'
// own: what the configuration's warning says.
func oneWay(t *testing.T, l *lab.Lab, vip string) {
	from := map[netip.AddrPort]int{}
	labtest.Must(t, l.Client.Do(func() error {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(lab.ClientAddr(0), 0)))
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		for range 2 * len(lab.RIPs) {
			if _, err := c.WriteToUDPAddrPort([]byte("?"), netip.MustParseAddrPort(vip)); err != nil {
				return err
			}
			_, server, err := c.ReadFromUDPAddrPort(make([]byte, 100))
			if err != nil {
				return err
			}
			from[server]++
		}
		return nil
	}))
	for _, rip := range lab.RIPs {
		if from[netip.AddrPortFrom(rip, 8000)] != 2 {
			t.Errorf("answers come from %v, want 2 of %s", from, rip)
		}
	}
}
