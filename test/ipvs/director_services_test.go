package ipvs

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

const allServices = `
global {
  ipvs {
    tcp_timeout     = "1000s"
    tcp_fin_timeout = "100s"
    udp_timeout     = "200s"
    expire_nodest_conn = true
    conn_reuse_mode    = 0
    sloppy_tcp         = true
    conntrack          = true
  }
}
virtual_server "ports" {
  address        = "192.168.60.210:8000-8002"
  scheduler      = "wlc"
  forward_method = "dr"
  real_server "10.1.2.3" {}
}
virtual_server "addresses" {
  address        = "192.168.60.220-222:80"
  scheduler      = "mh"
  scheduler_flags = ["mh-port", "mh-fallback"]
  forward_method = "nat"
  real_server "10.1.2.3:8080" { weight = 3 }
  real_server "10.1.4.5:8080" {
    weight          = 2
    upper_threshold = 100
    lower_threshold = 50
  }
}
virtual_server "everything" {
  address             = "192.168.60.230:0"
  scheduler           = "sh"
  scheduler_flags     = ["sh-fallback"]
  forward_method      = "dr"
  persistence         = "300s"
  persistence_netmask = 24
  real_server "10.1.2.3" {}
}
virtual_server "phone" {
  address            = "192.168.60.231:5060"
  protocol           = "udp"
  scheduler          = "rr"
  forward_method     = "nat"
  persistence        = "60s"
  persistence_engine = "sip"
  one_packet         = true
  real_server "10.1.2.3:5060" {}
}
virtual_server "sctp" {
  address        = "192.168.60.232:36412"
  protocol       = "sctp"
  scheduler      = "sed"
  forward_method = "nat"
  real_server "10.1.2.3:36412" {}
}
virtual_server "mark" {
  fwmark         = 7
  family         = "ipv4"
  scheduler      = "nq"
  forward_method = "dr"
  real_server "10.1.2.3" {}
}
virtual_server "mark6" {
  fwmark         = 7
  family         = "ipv6"
  scheduler      = "fo"
  forward_method = "dr"
  real_server "fd00:10::11" {}
}
virtual_server "six" {
  address        = "[fd00:60::80]:443"
  scheduler      = "wrr"
  forward_method = "tun"
  real_server "[fd00:10::11]:443" {}
  real_server "10.1.2.3:443" {}
}
virtual_server "tunnels" {
  address        = "192.168.60.233:80"
  scheduler      = "ovf"
  forward_method = "tun"
  real_server "10.1.2.3:80" {
    tunnel {
      type     = "gue"
      port     = 6080
      checksum = "remcsum"
    }
  }
  real_server "10.1.4.5:80" {
    tunnel {
      type     = "gre"
      checksum = "csum"
    }
  }
  real_server "10.1.3.8:80" {}
  real_server "[fd00:10::13]:80" {}
}
`

const allSaved = `-A -t 192.168.60.210:8000 -s wlc
-a -t 192.168.60.210:8000 -r 10.1.2.3:8000 -g -w 1
-A -t 192.168.60.210:8001 -s wlc
-a -t 192.168.60.210:8001 -r 10.1.2.3:8001 -g -w 1
-A -t 192.168.60.210:8002 -s wlc
-a -t 192.168.60.210:8002 -r 10.1.2.3:8002 -g -w 1
-A -t 192.168.60.220:80 -s mh -b mh-fallback,mh-port
-a -t 192.168.60.220:80 -r 10.1.2.3:8080 -m -w 3
-a -t 192.168.60.220:80 -r 10.1.4.5:8080 -m -w 2
-A -t 192.168.60.221:80 -s mh -b mh-fallback,mh-port
-a -t 192.168.60.221:80 -r 10.1.2.3:8080 -m -w 3
-a -t 192.168.60.221:80 -r 10.1.4.5:8080 -m -w 2
-A -t 192.168.60.222:80 -s mh -b mh-fallback,mh-port
-a -t 192.168.60.222:80 -r 10.1.2.3:8080 -m -w 3
-a -t 192.168.60.222:80 -r 10.1.4.5:8080 -m -w 2
-A -t 192.168.60.230:0 -s sh -p 300 -M 255.255.255.0 -b sh-fallback
-a -t 192.168.60.230:0 -r 10.1.2.3:0 -g -w 1
-A -u 192.168.60.231:5060 -s rr -p 60 --pe sip -o
-a -u 192.168.60.231:5060 -r 10.1.2.3:5060 -m -w 1
-A --sctp-service 192.168.60.232:36412 -s sed
-a --sctp-service 192.168.60.232:36412 -r 10.1.2.3:36412 -m -w 1
-A -t 192.168.60.233:80 -s ovf
-a -t 192.168.60.233:80 -r 10.1.2.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 192.168.60.233:80 -r 10.1.3.8:80 -i -w 1 --tun-type ipip
-a -t 192.168.60.233:80 -r 10.1.4.5:80 -i -w 1 --tun-type gre --tun-csum
-a -t 192.168.60.233:80 -r [fd00:10::13]:80 -i -w 1 --tun-type ipip
-A -f 7 -s nq
-a -f 7 -r 10.1.2.3:0 -g -w 1
-A -t [fd00:60::80]:443 -s wrr
-a -t [fd00:60::80]:443 -r 10.1.2.3:443 -i -w 1 --tun-type ipip
-a -t [fd00:60::80]:443 -r [fd00:10::11]:443 -i -w 1 --tun-type ipip
-A -f 7 -6 -s fo
-a -f 7 -6 -r [fd00:10::11]:0 -g -w 1
`

const mailService = `
virtual_server "mail" {
  address        = "192.168.60.200:25"
  forward_method = "nat"
  real_server "10.1.2.3:25" {}
}
`

// Every kind of service is in the kernel as ipvsadm understands it, settings are
// as configured, and after the stop everything is as before.
func TestDirectorServices(t *testing.T) {
	l := suite.New(t, "")
	labtest.Must(t, l.A.Sysctl("net.ipv4.ip_forward", "0"))
	unmanaged := labtest.File(t, l.A, "unmanaged.hcl", "global {\n  manage_sysctls = false\n}\n"+mailService)
	refused, err := l.A.StartUsher("run", "-c", unmanaged)
	labtest.Must(t, err)
	labtest.Must(t, lab.Until(t.Context(), "usher says what to set", func() error {
		if log := refused.Tail(50); !strings.Contains(log, "sysctl -w net.ipv4.ip_forward=1") {
			return fmt.Errorf("it says\n%s", log)
		}
		return nil
	}))
	refused.Reap()
	file := labtest.File(t, l.A, "usher.hcl", allServices)
	p := labtest.Start(t, l.A, "-c", file)
	want := map[string]bool{}
	for line := range strings.Lines(allSaved) {
		want[line] = true
	}
	labtest.Must(t, lab.Until(t.Context(), "ipvsadm -Sn shows every service", func() error {
		var wrong strings.Builder
		seen := 0
		for line := range strings.Lines(unchanged(t, l.A)) {
			seen++
			if !want[line] {
				wrong.WriteString("  surplus " + line)
			}
		}
		if seen != len(want) || wrong.Len() > 0 {
			return fmt.Errorf("%d lines, want %d\n%s\nof\n%s", seen, len(want), wrong.String(), unchanged(t, l.A))
		}
		return nil
	}))
	// What ipvsadm -S leaves out.
	if got := labtest.Run(t, l.A, "ipvsadm", "-Ln", "--thresholds"); strings.Count(got, " 100        50 ") != 3 {
		t.Errorf("thresholds:\n%s", got)
	}
	if got := labtest.Run(t, l.A, "ipvsadm", "-L", "--timeout"); !strings.Contains(got, "1000 100 200") {
		t.Errorf("timeouts: %s", got)
	}
	settings := map[string][2]string{
		"net.ipv4.vs.expire_nodest_conn": {"1", "0"}, "net.ipv4.vs.conn_reuse_mode": {"0", "1"}, "net.ipv4.vs.sloppy_tcp": {"1", "0"},
		"net.ipv4.vs.expire_quiescent_template": {"1", "0"}, "net.ipv4.ip_forward": {"1", "0"},
		"net.ipv4.vs.conntrack": {"1", "0"},
	}
	expect := func(when string, i int) {
		t.Helper()
		for name, value := range settings {
			if got := strings.TrimSpace(labtest.Run(t, l.A, "sysctl", "-n", name)); got != value[i] {
				t.Errorf("%s: %s is %s, want %s", when, name, got, value[i])
			}
		}
	}
	expect("running", 0)
	status, err := l.A.Control(t.Context(), "/api/v1/status")
	labtest.Must(t, err)
	shown := maps.Clone(settings)
	maps.Copy(shown, map[string][2]string{"tcp_timeout": {"1000s", "900s"}, "tcp_fin_timeout": {"100s", "120s"}, "udp_timeout": {"200s", "300s"}})
	for name, value := range shown {
		if want := fmt.Sprintf(`{"name":%q,"value":%q,"was":%q}`, name, value[0], value[1]); !strings.Contains(string(status), want) {
			t.Errorf("status lacks %s", want)
		}
	}
	// One that was killed has left all of it, and the next knows what was before.
	labtest.Must(t, p.Kill())
	expect("after kill -9", 0)
	p = labtest.Start(t, l.A, "-c", file)
	labtest.Must(t, p.Stop())
	expect("after the stop", 1)
	if left := unchanged(t, l.A); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	if got := labtest.Run(t, l.A, "ipvsadm", "-L", "--timeout"); !strings.Contains(got, "900 120 300") {
		t.Errorf("timeouts after the stop: %s", got)
	}
}

// A scheduler that the kernel lacks is an error that names the module.
func TestDirectorMissingScheduler(t *testing.T) {
	l := suite.New(t, "")
	file := labtest.File(t, l.A, "usher.hcl", `
virtual_server "web" {
  address        = "192.168.60.200:80"
  scheduler      = "twos"
  forward_method = "nat"
  real_server "10.1.2.3:80" {}
}
`)
	if modules := labtest.Run(t, l.A, "sh", "-c", "find /lib/modules -name 'ip_vs_twos*'"); modules != "" {
		t.Logf("this kernel has it: %s", modules)
		return
	}
	p, err := l.A.StartUsher("run", "-c", file)
	labtest.Must(t, err)
	labtest.Must(t, lab.Until(t.Context(), "usher names the module", func() error {
		if log := p.Tail(50); !strings.Contains(log, "ip_vs_twos") {
			return fmt.Errorf("it says\n%s", log)
		}
		return nil
	}))
}
