package ipvs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// movingConf is a director as keepalived's users have them: one of everything that
// shows in the kernel's table.
const movingConf = `! the director that moves over
global_defs {
    router_id LVS_1
    script_user root
    vrrp_version 2
}

$WEB= \
    TCP_CHECK { \
        connect_timeout 2 \
    }

$SERVER= \
    real_server $IP 80 { \
        $WEB \
    }

vrrp_sync_group edge {
    group {
        VI_front
        VI_back
    }
}

vrrp_instance VI_front {
    state MASTER
    interface eth0
    virtual_router_id 61
    priority 150
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        192.168.60.200
        192.168.60.201/24 dev eth0
        192.168.60.202 dev eth0 label eth0:1   # the third
    }
}

vrrp_instance VI_back {
    state MASTER
    interface eth1
    virtual_router_id 62
    priority 150
    advert_int 1
    virtual_ipaddress {
        10.1.0.1/16
    }
}

virtual_server 192.168.60.200 9376 {
    delay_loop 1
    lb_algo rr
    lb_kind NAT
    persistence_timeout 600
    persistence_granularity 255.255.255.0
    protocol TCP
    ~LST(IP, 10.1.2.3, 10.1.4.5, 10.1.3.8) $SERVER
}

virtual_server 192.168.60.201 80 {
    delay_loop 1
    lb_algo wlc
    lb_kind DR
    protocol TCP
    weight 3
    real_server 10.1.2.3 80 {
        weight 5
        uthreshold 100
        lthreshold 50
        HTTP_GET {
            url {
                path /healthz
                status_code 200
                regex "ok"
            }
            connect_timeout 2
            delay_before_retry 1
        }
    }
    real_server 10.1.4.5 80 {
        TCP_CHECK { }
    }
    sorry_server 10.1.3.8 80
}

virtual_server 192.168.60.202 9376 {
    delay_loop 1
    lb_algo mh
    mh-port
    mh-fallback
    lb_kind TUN
    protocol TCP
    inhibit_on_failure
    real_server 10.1.2.3 9376 {
        $WEB
    }
    real_server 10.1.3.8 9376 {
        $WEB
    }
    # nobody listens on that port: weight 0
    real_server 10.1.4.5 9376 {
        TCP_CHECK {
            connect_port 9
            retry 0
        }
    }
}

virtual_server 192.168.60.202 53 {
    lb_algo sh
    lb_kind NAT
    protocol UDP
    ops
    real_server 10.1.2.3 53 { }
    real_server 10.1.4.5 5353 {
        weight 0
    }
}

virtual_server fwmark 7 {
    lb_algo wrr
    lb_kind DR
    persistence_timeout 60
    real_server 10.1.2.3 0 { }
}
`

// A director moves from keepalived to usher: the file is imported, and the kernel's
// table, the VIPs and the role are the same again.
func TestImportRoundTrip(t *testing.T) {
	l := suite.New(t, "nat")
	_, err := l.Webs(t.Context())
	labtest.Must(t, err)
	file := labtest.File(t, l.A, "moving.conf", movingConf)
	vips := []string{"192.168.60.200", "192.168.60.201", "192.168.60.202", "10.1.0.1"}

	peer, err := l.A.KeepalivedFile("-f", file)
	labtest.Must(t, err)
	awaitHeld(t, l.A, vips, true)
	// One server is never up: keepalived serves from it until its first probe fails.
	labtest.Must(t, lab.Until(t.Context(), "keepalived's checks have run", func() error {
		table := labtest.Run(t, l.A, "ipvsadm", "-Sn")
		if !strings.Contains(table, "-r 10.1.4.5:9376 -i -w 0") || !strings.Contains(table, "-r 10.1.2.3:80 -g -w 5") {
			return fmt.Errorf("the table is\n%s", table)
		}
		return nil
	}))
	want := rules(t, l.A)
	labtest.Must(t, peer.Stop())
	awaitHeld(t, l.A, vips, false)
	if left := rules(t, l.A); len(left) > 0 {
		t.Fatalf("keepalived left %q", left)
	}

	hcl, err := l.A.Usher(t.Context(), "import", file)
	labtest.Must(t, err)
	start := strings.Index(hcl, "# Imported")
	if start < 0 {
		t.Fatalf("the import gave\n%s", hcl)
	}
	t.Logf("%s", hcl)
	labtest.Start(t, l.A, "-c", labtest.File(t, l.A, "usher.hcl", hcl[start:]))
	for _, instance := range []string{"VI_front", "VI_back"} {
		labtest.Await(t, l.A, instance, "active")
	}
	awaitHeld(t, l.A, vips, true)
	labtest.Must(t, lab.Until(t.Context(), "usher's table is keepalived's", func() error {
		if diff := cmp.Diff(want, rules(t, l.A)); diff != "" {
			return fmt.Errorf("(-keepalived +usher):\n%s", diff)
		}
		return nil
	}))
}

// rules is the kernel's table as ipvsadm saves it, in an order of its own.
func rules(t *testing.T, n *lab.Node) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(labtest.Run(t, n, "ipvsadm", "-Sn")), "\n")
	lines = slices.DeleteFunc(lines, func(s string) bool { return s == "" })
	slices.Sort(lines)
	return lines
}

// awaitHeld waits until the node holds all addresses, or none.
func awaitHeld(t *testing.T, n *lab.Node, addresses []string, want bool) {
	t.Helper()
	labtest.Must(t, lab.Until(t.Context(), fmt.Sprintf("%s holds %v: %t", n.Name, addresses, want), func() error {
		for _, a := range addresses {
			held, err := n.Holds(a)
			if err != nil {
				return err
			}
			if held != want {
				return fmt.Errorf("%s: %t", a, held)
			}
		}
		return nil
	}))
}
