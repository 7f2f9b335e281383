package ipvs

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// sshPort stands for whatever else listens on the director.
const sshPort = 2222

const closed = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = 150
  accept            = false
  virtual_addresses = ["192.168.60.200/32", "fe80::60:200/64", "fd00:60::200/64"]
}
%[2]s
virtual_server "web" {
  address        = "192.168.60.200:9376"
  scheduler      = "rr"
  forward_method = %[1]q
  real_server "10.1.2.3:%[3]d" {}
  real_server "10.1.4.5:%[3]d" {}
  real_server "10.1.3.8:%[3]d" {}
}
`

const gateway = `
vrrp_instance "gateway" {
  interface         = "eth1"
  virtual_router_id = 52
  priority          = 150
  virtual_addresses = ["10.1.0.1/16"]
}
virtual_server "six" {
  address        = "[fd00:60::200]:9376"
  scheduler      = "rr"
  forward_method = "nat"
  real_server "[fd00:10::11]:80" {}
}
`

// RFC 9568 section 6.1, Accept_Mode, on a director: what a virtual server serves on
// the address reaches IPVS, and everything else that is sent to it is dropped, but
// for neighbour discovery.
func TestAcceptFalseLetsIPVSServe(t *testing.T) {
	for _, tt := range []struct {
		forward, more string
		port          int
		six           bool
	}{
		{"nat", gateway, 80, true},
		{"dr", "", 9376, false},
	} {
		t.Run(tt.forward, func(t *testing.T) {
			s := prepared(t, tt.forward)
			if tt.forward == "nat" {
				labtest.Must(t, s.Real[0].IP(t.Context(), "-6", "route", "add", "default", "via", "fd00:10::2"))
			}
			labtest.Serve(t, s.A, sshPort, func(net.Conn) {})
			s.a = labtest.Start(t, s.A, "-c", labtest.File(t, s.A, "usher.hcl", fmt.Sprintf(closed, tt.forward, tt.more, tt.port)))
			labtest.Await(t, s.A, "web", "active")
			labtest.Must(t, s.A.AwaitVIP(t.Context(), true))

			s.everyServerAnswers(t)
			if tt.six {
				out := labtest.Run(t, s.Client, "curl", "-sS", "--max-time", "10", "http://[fd00:60::200]:9376/")
				if strings.TrimSpace(out) != "rs1" {
					t.Errorf("over IPv6 %q answers, want rs1", out)
				}
			}
			// The listener is there, and what is dropped is so for its address.
			labtest.Must(t, s.Client.Dial(t.Context(), fmt.Sprintf("%s:%d", lab.AddrA, sshPort)))
			labtest.Must(t, s.Client.Dial(t.Context(), fmt.Sprintf("[fd00:60::2]:%d", sshPort)))
			for _, address := range []string{lab.VIP.String(), "fd00:60::200"} {
				err := s.Client.Dial(t.Context(), net.JoinHostPort(address, fmt.Sprint(sshPort)))
				if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("a connection to port %d of %s: %v, want no answer at all", sshPort, address, err)
				}
				if out := labtest.Run(t, s.Client, "sh", "-c", "ping -c 2 -i 0.2 -W 1 "+address+" || true"); !strings.Contains(out, " 0 received") {
					t.Errorf("%s answers:\n%s", address, out)
				}
				if n := labtest.Run(t, s.Client, "ip", "neigh", "show", address); !strings.Contains(n, "lladdr") {
					t.Errorf("the neighbour %s is not found: %q", address, n)
				}
			}
		})
	}
}
