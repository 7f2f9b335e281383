package keepalived

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/conf"
)

// TestMeaning: defaults and effects that differ between the two programs are
// carried over as what usher then really does.
func TestMeaning(t *testing.T) {
	const vip = "virtual_ipaddress {\n192.0.2.1\n}\n"
	instance := func(text string) string {
		return "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\n" + vip + text + "\n}\n"
	}
	server := func(text string) string {
		return "virtual_server 192.0.2.1 80 {\nprotocol TCP\nreal_server 10.0.0.1 80 {\n" + text + "\n}\n}\n"
	}
	first := func(c *conf.Config) conf.Instance { return c.Instances[0] }
	pool := func(c *conf.Config) conf.VirtualServer { return c.VirtualServers[0] }
	for _, tc := range []struct {
		name, text string
		got        func(*conf.Config) any
		want       any
	}{
		{"version 2 by default", instance(""), func(c *conf.Config) any { return first(c).Version }, uint8(2)},
		{"version 3 for all", "global_defs {\nvrrp_version 3\n}\n" + instance(""), func(c *conf.Config) any { return first(c).Version }, uint8(3)},
		{"version 3 for one", instance("version 3"), func(c *conf.Config) any { return first(c).Version }, uint8(3)},
		{"priority 100", instance("state BACKUP"), func(c *conf.Config) any { return first(c).Priority }, uint8(100)},
		{"MASTER without priority owns", instance("state MASTER"), func(c *conf.Config) any { return first(c).Priority }, uint8(255)},
		{"dont_track_primary", instance("dont_track_primary"), func(c *conf.Config) any { return first(c).DontTrackPrimary }, true},
		{"nopreempt", instance("nopreempt"), func(c *conf.Config) any { return first(c).Preempt }, false},
		{"nopreempt of a MASTER", instance("state MASTER\npriority 150\nnopreempt"), func(c *conf.Config) any { return first(c).Preempt }, true},
		{"no refresh", instance(""), func(c *conf.Config) any { return first(c).Announce.Refresh }, time.Duration(0)},
		{"pace of both families", instance("garp_interval 0.01\ngna_interval 0.5"), func(c *conf.Config) any { return first(c).Announce.Pace }, 500 * time.Millisecond},
		{"min_garp", "global_defs {\nvrrp_min_garp\n}\n" + instance(""), func(c *conf.Config) any { return fmt.Sprint(first(c).Announce) }, "{1 0s 0s 0s}"},
		{"strict drops", "global_defs {\nvrrp_strict\n}\n" + instance(""), func(c *conf.Config) any { return first(c).Accept }, false},
		{"strict, but accept", "global_defs {\nvrrp_strict\n}\n" + instance("accept"), func(c *conf.Config) any { return first(c).Accept }, true},
		{"interval is rounded", instance("advert_int 1.6"), func(c *conf.Config) any { return first(c).Interval }, 2 * time.Second},
		{"password is cut", instance("authentication {\nauth_type PASS\nauth_pass 123456789\n}"), func(c *conf.Config) any { return first(c).Password }, "12345678"},
		{"script without weight", "vrrp_script s {\nscript /bin/true\nfall 3\n}\n" + instance("track_script {\ns\n}"),
			func(c *conf.Config) any {
				s := first(c).Track[0]
				return fmt.Sprint(s.Command, s.Interval, s.Timeout, s.Rise, s.Fall, s.Weight)
			}, "[/bin/true] 1s 1s 1 3 0"},
		{"weight of the script and of its use", "vrrp_script s {\nscript /bin/true\nweight 5\n}\n" + instance("track_script {\ns weight -7\n}"),
			func(c *conf.Config) any { return first(c).Track[0].Weight }, -7},

		{"weights of a sync group's members", "vrrp_script s {\nscript /bin/true\nweight 5\n}\ntrack_file f {\nfile /run/f\n}\nvrrp_sync_group g {\ngroup {\na\n}\n}\n" +
			instance("track_script {\ns\n}\ntrack_file {\nf\n}\ntrack_interface {\neth1 weight 7\n}"), tracked, "[interface eth1 0 false]"},
		{"and of those that may have them", "vrrp_script s {\nscript /bin/true\nweight 5\n}\nvrrp_sync_group g {\nsync_group_tracking_weight\ngroup {\na\n}\n}\n" +
			instance("track_script {\ns\n}"), tracked, "[script s 5 false]"},
		{"weights of a sync group", "vrrp_script s {\nscript /bin/true\nweight 5\n}\ntrack_file f {\nfile /run/f\nweight 3\n}\nvrrp_sync_group g {\ngroup {\na\n}\ntrack_script {\ns weight 7\n}\ntrack_file {\nf\n}\ntrack_interface {\neth1 weight 4\n}\n}\n" +
			instance(""), tracked, "[interface eth1 4 false][script s 7 false][file /run/f 3 false]"},
		{"reverse of a definition", "bfd_instance b {\nneighbour_ip 192.0.2.9\nweight -10 reverse\n}\n" + instance("track_bfd {\nb\n}"), tracked, "[bfd b -10 true]"},
		{"delays of interfaces", "interface_up_down_delays {\neth0 0.5 2\neth1 1.5\n}\n" + instance("track_interface {\neth1\n}"), func(c *conf.Config) any {
			i := first(c)
			return fmt.Sprint(i.InterfaceDownDelay, i.InterfaceUpDelay, i.Track[0].DownDelay, i.Track[0].UpDelay)
		}, "500ms 2s 1.5s 1.5s"},
		{"delays of a process", "vrrp_track_process p {\nprocess haproxy\ndelay 2\nfork_delay 0.5\n}\n" + instance("track_process {\np\n}"),
			func(c *conf.Config) any {
				return fmt.Sprint(first(c).Track[0].UpDelay, " ", first(c).Track[0].DownDelay)
			}, "500ms 2s"},
		{"noreverse", "vrrp_script s {\nscript /bin/true\nweight 5 reverse\n}\n" + instance("track_script {\ns weight 7 noreverse\n}"), tracked, "[script s 7 false]"},
		{"BFD in fractions", "bfd_instance b {\nneighbor_ip 192.0.2.9\nmin_rx 3.5\n}\n" + instance("track_bfd {\nb\n}"),
			func(c *conf.Config) any { return c.BFD[0].MinRX }, 3500 * time.Microsecond},
		{"more addresses than are carried", instance("virtual_ipaddress {\n" + many(300) + "}"), func(c *conf.Config) any {
			excluded := 0
			for _, a := range first(c).Addresses {
				if a.Excluded {
					excluded++
				}
			}
			return fmt.Sprint(len(first(c).Addresses), " ", excluded)
		}, "301 46"},
		{"rules and routes of names and options", instance("virtual_routes {\n10.1.0.0/16 via 192.0.2.9 table local\n10.2.0.0/16 via 192.0.2.9 table blue\n10.3.0.0/16 via 192.0.2.9 tos 4\n10.4.0.0/16 via 192.0.2.9 proto static mtu lock 1400 metric 3\n}\n" +
			"virtual_rules {\nfrom 10.1.0.0/16 table main\nfrom 10.2.0.0/16 table 9 suppress_prefixlength 0\nnot from 10.3.0.0/16 table 9\nfrom 10.4.0.0/16 table blue\nfrom 10.5.0.0/16 goto 7\n}"), func(c *conf.Config) any {
			told := ""
			for _, r := range first(c).Routes {
				told += fmt.Sprint(r.To, r.Table, r.Metric, " ")
			}
			for _, r := range first(c).Rules {
				told += fmt.Sprint(r.From, r.Table, " ")
			}
			return told
		}, "10.1.0.0/16 255 0 10.4.0.0/16 0 3 10.1.0.0/16 254 "},
		{"arguments without quotes", "vrrp_script s {\nscript /usr/bin/pgrep haproxy\n}\n" + instance("track_script {\ns\n}"),
			func(c *conf.Config) any { return fmt.Sprint(first(c).Track[0].Command, first(c).Track[0].User) }, "[/usr/bin/pgrep]"},
		{"the mail server's address", "global_defs {\nsmtp_server 2001:db8::25 587\nnotification_email_from a@b.example\nnotification_email {\nx@b.example\n}\n}\n",
			func(c *conf.Config) any { return c.Global.Emails[0].Server }, "[2001:db8::25]:587"},
		{"inhibit_on_failure off", server("inhibit_on_failure off"), func(c *conf.Config) any { return string(pool(c).OnFailure) }, "remove"},
		{"inhibit_on_failure off for all", "virtual_server 192.0.2.1 80 {\nprotocol TCP\ninhibit_on_failure\nreal_server 10.0.0.1 80 {\ninhibit_on_failure off\n}\n}\n",
			func(c *conf.Config) any { return string(pool(c).OnFailure) }, "remove"},
		{"no interface", unbound, func(c *conf.Config) any {
			i := first(c)
			return fmt.Sprintf("%q %s %s %s %v", i.Interface, i.VRF, i.Source4, i.Unicast.Peers[0].Address, i.Addresses)
		}, "\"\" red 192.0.2.2 198.51.100.2 [{203.0.113.1/32 eth7   false false} {203.0.113.2/32 lo   false false}]"},

		{"a check's defaults", server("TCP_CHECK {\n}"), func(c *conf.Config) any {
			k := c.Targets()[0].Checks[0]
			return fmt.Sprint(k.Interval, k.FastInterval, k.Timeout, k.Rise, k.Fall)
		}, "1m0s 1s 5s 1 2"},
		{"inherited times", "virtual_server 192.0.2.1 80 {\nprotocol TCP\ndelay_loop 6\nretry 4\nreal_server 10.0.0.1 80 {\nconnect_timeout 2\nTCP_CHECK {\nretry 2\n}\n}\n}\n",
			func(c *conf.Config) any {
				k := c.Targets()[0].Checks[0]
				return fmt.Sprint(k.Interval, k.Timeout, k.Fall)
			}, "6s 2s 3"},
		{"bytes in hexadecimal", server("UDP_CHECK {\npayload Ab12f 3 456 546443123\nrequire_reply 0X1 x\n}"), func(c *conf.Config) any {
			u := c.Targets()[0].Checks[0].UDP
			return fmt.Sprintf("%x %v %d", u.Payload, u.Expect, u.MaxReply)
		}, "ab120f0345065464431203 [0 1 0] 255"},
		{"DNS retries three times", server("DNS_CHECK {\n}"), func(c *conf.Config) any { return c.Targets()[0].Checks[0].Fall }, 4},
		{"MISC does not retry", server("MISC_CHECK {\nmisc_path /bin/true\n}"), func(c *conf.Config) any {
			k := c.Targets()[0].Checks[0]
			return fmt.Sprint(k.Fall, k.Timeout, k.Exec.Command, k.Exec.WarningDown)
		}, "1 1m0s [/bin/true] true"},
		{"dynamic weight", server("MISC_CHECK {\nmisc_path /bin/true\nmisc_dynamic\n}"), func(c *conf.Config) any {
			x := c.Targets()[0].Checks[0].Exec
			return fmt.Sprintln(x.Weight, x.Command)
		}, "exit [/bin/true]\n"},
		{"SSL_GET verifies nothing", server("SSL_GET {\nurl {\npath /\n}\n}"), func(c *conf.Config) any { return c.Targets()[0].Checks[0].TLS.Insecure }, true},
		{"backslashes", server("HTTP_GET {\nurl {\npath \"/a\\d\"\nregex \"a\\d+ \\\\d\"\n}\n}"), func(c *conf.Config) any {
			h := c.Targets()[0].Checks[0].HTTP
			return fmt.Sprint(h.Paths, " ", h.ExpectBodyRegex)
		}, `[/a\d] ad+ \d`},
		{"several pages", server("HTTP_GET {\nurl {\npath /a\n}\nurl {\npath /b\n}\n}"), func(c *conf.Config) any { return fmt.Sprint(c.Targets()[0].Checks[0].HTTP.Paths) }, "[/a /b]"},
		{"wlc by default", server(""), func(c *conf.Config) any { return pool(c).Service.Scheduler }, "wlc"},
		{"persistence without a number", "virtual_server 192.0.2.1 80 {\nprotocol TCP\npersistence_timeout\nreal_server 10.0.0.1 80 {\n}\n}\n",
			func(c *conf.Config) any { return pool(c).Service.Persistence }, uint32(360)},
		{"UDP without a protocol", "virtual_server 192.0.2.1 80 {\nreal_server 10.0.0.1 80 {\n}\n}\n", func(c *conf.Config) any { return pool(c).Keys[0].String() }, "udp 192.0.2.1:80"},
		{"dr keeps the port", "virtual_server 192.0.2.1 80 {\nprotocol TCP\nlb_kind DR\nreal_server 10.0.0.1 81 {\n}\n}\n", func(c *conf.Config) any { return pool(c).Real[0].Address.String() }, "10.0.0.1:80"},
		{"inhibit of all", server("inhibit_on_failure"), func(c *conf.Config) any { return string(pool(c).OnFailure) }, "quiesce"},
		{"quorum within reach", "virtual_server 192.0.2.1 80 {\nprotocol TCP\nquorum 5\nreal_server 10.0.0.1 80 {\nweight 3\n}\n}\n", func(c *conf.Config) any { return pool(c).Quorum }, 3},
		{"weight for all", "virtual_server 192.0.2.1 80 {\nprotocol TCP\nweight 7\nreal_server 10.0.0.1 80 {\n}\n}\n", func(c *conf.Config) any { return pool(c).Real[0].Weight }, 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keepalived.conf")
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			hcl, _, err := Import(file, Options{ID: "x"})
			if err != nil {
				t.Fatal(err)
			}
			c, diags := conf.LoadText("usher.hcl", hcl, nil)
			if c == nil {
				t.Fatal(diags.Text(false))
			}
			if got := tc.got(c); got != tc.want {
				t.Errorf("%v, not %v\n%s", got, tc.want, hcl)
			}
		})
	}
}

// many are so many addresses, one a line.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "10.9.%d.%d\n", i/200, i%200+1)
	}
	return b.String()
}

// tracked is what the first instance tracks.
func tracked(c *conf.Config) any {
	told := ""
	for _, t := range c.Instances[0].Track {
		told += fmt.Sprint("[", t.Kind, " ", t.Name, " ", t.Weight, " ", t.Reverse, "]")
	}
	return told
}

const unbound = `global_defs {
default_interface eth7
}
vrrp_instance a {
vrf red
virtual_router_id 51
unicast_src_ip 192.0.2.2
unicast_peer {
198.51.100.2
}
virtual_ipaddress {
203.0.113.1
203.0.113.2 dev lo
}
}
`
