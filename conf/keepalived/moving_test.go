package keepalived

import (
	"strings"
	"testing"
)

// TestMovingOver: a director that usher runs beside one that keepalived runs, from the same
// file, is to advertise the same and to run the same commands.
func TestMovingOver(t *testing.T) {
	instance := func(body string) string {
		return "vrrp_instance a {\n interface eth0\n virtual_router_id 1\n" + body + "}\n"
	}
	const mails = "global_defs {\n notification_email {\n  a@example.org\n }\n notification_email_from b@example.org\n smtp_server 192.0.2.25\n}\n"
	pool := func(server string) string {
		return "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n" + server + " }\n}\n"
	}
	const vip = " virtual_ipaddress {\n  192.0.2.1\n }\n"
	for _, tc := range []struct {
		name, text string
		hcl        []string // in this order, blanks apart
		not        string
		told       string
		leftOut    int
	}{
		{"commands of one state get no arguments",
			instance(vip + " notify_master \"/sbin/ip addr add 192.0.2.77/32 dev lo\" root\n notify /bin/all\n"),
			[]string{`command = ["/sbin/ip", "addr", "add", "192.0.2.77/32", "dev", "lo"]`, "arguments = false", `on = ["active"]`, `command = ["/bin/all"] on = [`}, "", "", 0},
		{"quorum and server commands get none either",
			"virtual_server 192.0.2.1 80 {\n protocol TCP\n quorum_up /bin/up\n real_server 10.0.0.1 80 {\n  notify_down /bin/down\n  TCP_CHECK {\n  }\n }\n}\n",
			[]string{`command = ["/bin/up"] arguments = false`, `command = ["/bin/down"] arguments = false`}, "", "", 0},
		{"commands of a sync group get none either",
			instance(vip) + "vrrp_sync_group g {\n group {\n  a\n }\n notify_backup \"/bin/back up\"\n notify /bin/all\n}\n",
			[]string{`command = ["/bin/back", "up"] arguments = false on = ["backup"]`, `command = ["/bin/all"] on = [`}, "", "", 0},
		{"the first of repeated commands",
			instance(vip + " notify_master /bin/one\n notify_master /bin/two\n"),
			[]string{`command = ["/bin/one"]`}, "/bin/two", "which takes the first notify_master", 0},
		{"authentication under vrrp_strict",
			"global_defs {\n vrrp_strict\n}\n" + instance(vip+" authentication {\n  auth_type PASS\n  auth_pass secret\n }\n"),
			[]string{"version = 2", "accept = false"}, "authentication {", "with vrrp_strict or strict_mode keepalived drops it", 0},
		{"authentication under strict_mode",
			instance(vip + " strict_mode\n authentication {\n  auth_type PASS\n  auth_pass secret\n }\n"),
			[]string{"version = 2"}, "authentication {", "with vrrp_strict or strict_mode keepalived drops it", 0},
		{"authentication where strict_mode is off",
			"global_defs {\n vrrp_strict\n}\n" + instance(vip+" strict_mode off\n authentication {\n  auth_type PASS\n  auth_pass secret\n }\n"),
			[]string{"authentication {", `password = "secret"`}, "", "", 0},
		{"IPv6 without a link-local address",
			instance(" virtual_ipaddress {\n  2001:db8::1\n  2001:db8::2\n }\n"),
			[]string{`virtual_addresses = ["2001:db8::1/128", "2001:db8::2/128"]`}, "fe80", "", 0},
		{"IPv4 first, then IPv6",
			instance(" virtual_ipaddress {\n  192.0.2.1\n  2001:db8::1\n }\n"),
			[]string{"version = 2", `virtual_addresses = ["192.0.2.1/32"]`}, "2001:db8::1/128", "the first address of the instance is IPv4", 0},
		{"IPv6 first, then IPv4",
			instance(" virtual_ipaddress {\n  2001:db8::1\n  192.0.2.1\n }\n"),
			[]string{`virtual_addresses = ["2001:db8::1/128"]`}, "192.0.2.1/32", "the first address of the instance is IPv6", 0},
		{"IPv6 excluded from an IPv4 instance",
			instance(vip + " virtual_ipaddress_excluded {\n  2001:db8::1\n }\n"),
			[]string{"version = 2", `virtual_addresses = ["192.0.2.1/32"]`, `virtual_address "2001:db8::1/128" { excluded = true }`}, "", "", 0},
		{"IPv6 on another interface",
			instance(" virtual_ipaddress {\n  2001:db8::1 dev eth1\n }\n"),
			[]string{`virtual_address "2001:db8::1/128" { interface = "eth1" }`}, "", "", 0},
		{"no VIP: failover by a command",
			instance(" notify_master /bin/take\n"),
			[]string{"version = 2", `command = ["/bin/take"]`, "no_virtual_addresses = true"}, "virtual_address ", "", 0},
		{"nothing but excluded VIPs",
			instance(" virtual_ipaddress_excluded {\n  192.0.2.9\n }\n"),
			[]string{`virtual_address "192.0.2.9/32" { excluded = true }`, "no_virtual_addresses = true"}, "", "", 0},
		{"no VIP in version 3",
			instance(" version 3\n"),
			[]string{"no_virtual_addresses = true"}, "version = 2", "keepalived refuses that in version 3", 0},
		{"no VIP in version 3, as allowed",
			instance(" version 3\n no_virtual_ipaddress\n unicast_src_ip 2001:db8::2\n unicast_peer {\n  2001:db8::3\n }\n"),
			[]string{`peers = ["2001:db8::3"]`, "no_virtual_addresses = true"}, "version = 2", "", 0},
		{"a VIP that is none",
			instance(" virtual_ipaddress {\n  nowhere\n }\n"),
			nil, "no_virtual_addresses", "not in the import as a whole", 1},
		{"a VIP twice",
			instance(" virtual_ipaddress {\n  192.0.2.1\n  192.0.2.1/24 dev eth1\n  192.0.2.2\n }\n"),
			[]string{`virtual_addresses = ["192.0.2.1/32", "192.0.2.2/32"]`}, "192.0.2.1/24", "keepalived counts it again in its advertisements", 0},
		{"a script that is missing",
			"vrrp_script s {\n script \"/nonexistent/check -v\"\n}\n" + instance(vip+" track_script {\n  s\n }\n"),
			[]string{`command = ["/nonexistent/check", "-v"]`}, "", "/nonexistent/check is not on this machine", 0},
		{"the old name of the sync daemon",
			instance(vip + " lvs_sync_daemon_interface eth1\n"),
			[]string{"ipvs {", `sync { interface = "eth1" instance = "a" id = 1 }`}, "", "", 0},
		{"both names of the sync daemon",
			"global_defs {\n lvs_sync_daemon eth2 a\n}\n" + instance(vip+" lvs_sync_daemon_interface eth1\n"),
			[]string{`interface = "eth2"`}, "eth1", "there is another sync daemon already", 0},
		{"an HTTP server has connect_timeout twice",
			pool("  HTTP_GET {\n   connect_timeout 3\n   url {\n    path /\n   }\n  }\n"),
			[]string{`timeout = "6s"`}, "", "usher's timeout is of the whole probe", 0},
		{"one with TLS three times",
			pool("  SSL_GET {\n   url {\n    path /\n   }\n  }\n"),
			[]string{`timeout = "15s"`}, "", "usher's timeout is of the whole probe", 0},
		{"one of several urls that often for each",
			pool("  HTTP_GET {\n   connect_timeout 3\n   url {\n    path /a\n   }\n   url {\n    path /b\n   }\n   url {\n    path /c\n    status_code 204\n   }\n  }\n"),
			[]string{`timeout = "12s"`, `timeout = "6s"`}, "", "2 times for each url", 0},
		{"one of several urls with TLS that often for each",
			pool("  SSL_GET {\n   connect_timeout 2\n   url {\n    path /a\n   }\n   url {\n    path /b\n   }\n  }\n"),
			[]string{`timeout = "12s"`}, "", "6 times that is written here", 0},
		{"one whose times make more than a timeout may be",
			pool("  HTTP_GET {\n   connect_timeout 2000\n   url {\n    path /\n   }\n  }\n"),
			[]string{`timeout = "3600s"`}, "", "", 0},
		{"a mail server for the connection, the greeting and the answer",
			pool("  SMTP_CHECK {\n   connect_timeout 3\n  }\n"),
			[]string{`timeout = "9s"`}, "", "3 times for SMTP", 0},
		{"a TCP server once",
			pool("  TCP_CHECK {\n   connect_timeout 3\n   retry 2\n   nb_get_retry 7\n  }\n"),
			[]string{`timeout = "3s"`, "fall = 3"}, "", "nb_get_retry 7: keepalived knows it in HTTP_GET and SSL_GET only", 0},
		{"one mail of a thing",
			mails + pool("  smtp_alert\n  TCP_CHECK {\n  }\n }\n smtp_alert\n real_server 10.0.0.2 80 {\n  smtp_alert\n  TCP_CHECK {\n  }\n"),
			[]string{`on = ["server_up", "server_down"]`, `virtual_server`, `email {`, `on = ["up", "down"]`}, `"up", "down", "server_up"`, "", 0},
		{"one mail of a thing that is asked for by each server",
			mails + "global_defs {\n smtp_alert_checker off\n}\n" + pool("  smtp_alert\n  TCP_CHECK {\n  }\n }\n real_server 10.0.0.2 80 {\n  smtp_alert\n  TCP_CHECK {\n  }\n"),
			[]string{`virtual_server`, `on = ["server_up", "server_down"]`}, "", "", 0},
		{"inhibit_on_failure of one server",
			pool("  inhibit_on_failure\n  TCP_CHECK {\n  }\n }\n real_server 10.0.0.2 80 {\n  TCP_CHECK {\n  }\n"),
			[]string{`real_server "10.0.0.1:80" { on_failure = "quiesce" }`, `real_server "10.0.0.2:80" {}`}, "", "", 0},
		{"full NAT of dpvs",
			"local_address_group l {\n 10.0.0.7\n 10.0.0.8\n}\nvirtual_server 192.0.2.1 80 {\n protocol TCP\n lb_kind FNAT\n laddr_group_name l\n real_server 10.0.0.1 80 {\n  TCP_CHECK {\n  }\n }\n}\n",
			[]string{`forward_method = "fullnat"`, `snat_addresses = ["10.0.0.7/32", "10.0.0.8/32"]`}, "", "", 0},
		{"a password of more than 8 bytes",
			instance(vip + " authentication {\n  auth_type PASS\n  auth_pass 123456789\n }\n"),
			[]string{`password = "12345678"`}, "123456789", "keepalived sends the first 8 bytes of it alone", 0},
		{"an HMAC",
			instance(vip + " version 3\n auth_hmac {\n  key 1 file:/etc/keepalived/vrrp.key\n  key 2 hex:00010203 04050607 08090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n  key 7 correct-horse-battery-staple-0123456789+\n  active_key 7\n  anti_replay monotonic\n  time_window 9\n  mode permissive\n }\n"),
			[]string{"authentication {", `type = "hmac"`, "active_key = 7", `mode = "permissive"`, `anti_replay = "monotonic"`, `window = "9s"`, `key "1" { secret_file = "/etc/keepalived/vrrp.key" }`,
				`key "2" { secret = "hex:00010203 04050607 08090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F" }`, `key "7" { secret = "correct-horse-battery-staple-0123456789+" }`}, "", "", 0},
		{"an HMAC with an odd number of digits",
			instance(vip + " auth_hmac {\n  key 1 hex:" + strings.Repeat("ab", 32) + "d\n  active_key 1\n }\n"),
			[]string{`secret = "hex:` + strings.Repeat("ab", 32) + `0d"`}, "", "takes the last one for a byte", 0},
		{"an HMAC in capitals, which is text",
			instance(vip + " auth_hmac {\n  key 1 HEX:" + strings.Repeat("a", 30) + "\n  active_key 1\n }\n"),
			[]string{`secret = "hex:4845583a` + strings.Repeat("61", 30) + `"`}, "", "takes HEX: in capitals for text", 0},
		{"an HMAC that strict_mode enforces",
			instance(vip + " strict_mode\n auth_hmac {\n  key 1 file:/k\n  active_key 1\n  mode receive-only\n }\n"),
			[]string{`type = "hmac"`}, "receive-only", "keepalived enforces, and so does the import", 0},
		{"an HMAC without an active key",
			instance(vip + " auth_hmac {\n  key 1 file:/k\n }\n"),
			nil, "authentication", "keepalived switches its authentication off", 0},
		{"an HMAC with a short key",
			instance(vip + " auth_hmac {\n  key 1 short\n  active_key 1\n }\n"),
			nil, "authentication", "its key has not 32 to 64 bytes: keepalived switches its authentication off", 0},
		{"two keys of one number",
			instance(vip + " auth_hmac {\n  key 1 file:/first\n  key 1 file:/second\n  active_key 1\n }\n"),
			[]string{`secret_file = "/first"`}, "/second", "there is a key 1 already, which keepalived keeps", 0},
		{"an HMAC beside a password",
			instance(vip + " authentication {\n  auth_type PASS\n  auth_pass secret\n }\n auth_hmac {\n  key 1 file:/k\n  active_key 1\n }\n"),
			[]string{`type = "hmac"`}, "password", "beside which keepalived drops it, too", 0},
		{"a line for a shell",
			"vrrp_script s {\n script \"</dev/tcp/127.0.0.1/80\"\n}\n" + instance(vip+" track_script {\n  s\n }\n"),
			[]string{`command = ["/bin/sh", "-c", "</dev/tcp/127.0.0.1/80"]`}, "", "a line for a shell", 0},
		{"a service that usher cannot have",
			"virtual_server nowhere 80 {\n protocol TCP\n}\n" + instance(vip),
			[]string{`vrrp_instance "a"`}, "virtual_server", "it is not in the import as a whole", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hcl, warnings := importText(t, tc.text)
			rest := strings.Join(strings.Fields(hcl), " ")
			for _, want := range tc.hcl {
				_, after, ok := strings.Cut(rest, strings.Join(strings.Fields(want), " "))
				if !ok {
					t.Errorf("there is no %s (in this order) in\n%s", want, hcl)
				}
				rest = after
			}
			if tc.not != "" && strings.Contains(hcl, tc.not) {
				t.Errorf("there is %s in\n%s", tc.not, hcl)
			}
			if strings.Count(tc.name, "mail") > 0 {
				seen := map[string]int{}
				for _, word := range []string{`"server_up"`, `"up"`} {
					if seen[word] = strings.Count(hcl, word); seen[word] > 1 {
						t.Errorf("%s is mailed %d times:\n%s", word, seen[word], hcl)
					}
				}
			}
			told, leftOut := tc.told == "", 0
			for _, w := range warnings {
				told = told || strings.Contains(w.Directive+": "+w.Reason, tc.told)
				if w.LeftOut {
					leftOut++
				}
			}
			if !told || leftOut != tc.leftOut {
				t.Errorf("%d are left out; told: %v", leftOut, warnings)
			}
		})
	}
}
