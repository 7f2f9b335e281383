package keepalived

import (
	"strings"
	"testing"
)

// TestTold: what a directive says beside what is written is told at its line.
func TestTold(t *testing.T) {
	const instance = "vrrp_instance a {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n  192.0.2.1\n }\n"
	for _, tc := range []struct {
		name, text, told string
		line             int
	}{
		{"group of a script's user", "vrrp_script s {\n script /bin/true\n user nobody adm\n}\n" + instance + " track_script {\n  s\n }\n}\n", "the group adm is not carried over", 3},
		{"group of a check's user", "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n  MISC_CHECK {\n   misc_path /bin/true\n   user nobody adm\n  }\n }\n}\n", "the group adm is not carried over", 6},
		{"arguments without quotes", "vrrp_script s {\n script /bin/pgrep haproxy\n}\n" + instance + " track_script {\n  s\n }\n}\n", "keepalived passes over haproxy", 2},
		{"number of announcements", instance + " garp_master_repeat many\n}\n", `"many" is not a whole number`, 7},
		{"backslashes", "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n  HTTP_GET {\n   url {\n    path /\n    regex \"a\\d+\"\n   }\n  }\n }\n}\n", `it looks for "ad+"`, 7},
		{"url without a path", "virtual_server 192.0.2.1 80 {\n protocol TCP\n real_server 10.0.0.1 80 {\n  HTTP_GET {\n   url {\n    status_code 200\n   }\n  }\n }\n}\n", "no path", 5},
		{"conditions for others", "global_defs {\n@high router_id a\n@low router_id b\n}\n", `no condition is for the config-id "x", so all their lines are left out; --id gives another, of high, low`, 2},
		{"a rule's network", instance + " virtual_rules {\n  to 192.168.200./24 table 2\n }\n}\n", "so the rule is left out", 8},
		{"a route's gateway", instance + " virtual_routes {\n  10.1.0.0/16 via nowhere\n }\n}\n", "so the route is left out", 8},
		{"two paces", instance + " garp_interval 0.01\n gna_interval 0.5\n}\n", "one pace for both families", 8},
		{"tracked twice", "vrrp_sync_group g {\n group {\n  a\n }\n track_interface {\n  eth1 weight 5\n }\n}\n" + instance + " track_interface {\n  eth1\n }\n}\n", "tracked already", 6},
		{"what a terminal would obey", "\x1b[2Jnothing\n", `"\x1b[2Jnothing": usher does not know`, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, warnings := importText(t, tc.text)
			for _, w := range warnings {
				if w.Line == tc.line && strings.Contains(w.String(), tc.told) {
					return
				}
			}
			t.Errorf("not told: %v", warnings)
		})
	}
}

// TestCommentsOfWhatIsLeftOut: they stay where their block stood.
func TestCommentsOfWhatIsLeftOut(t *testing.T) {
	hcl, _ := importText(t, "garp_group { # first\n # second\n garp_interval 1 # third\n interfaces {\n  eth0 ! fourth\n }\n # fifth\n}\n")
	for _, c := range []string{"# first", "# second", "# third", "# fourth", "# fifth"} {
		if strings.Count(hcl, c) != 1 {
			t.Errorf("%s is there %d times:\n%s", c, strings.Count(hcl, c), hcl)
		}
	}
}

// TestToldOnce: what is refused is told of once, not for each of its parts.
func TestToldOnce(t *testing.T) {
	_, warnings := importText(t, "vrrp_instance a {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n  192.0.2.1\n  192.0.2.1 label eth0:1\n }\n}\n")
	if len(warnings) != 1 || warnings[0].Line != 6 || !strings.Contains(warnings[0].Reason, "it is there already") {
		t.Errorf("%v", warnings)
	}
}
