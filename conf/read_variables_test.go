package conf

import (
	"strings"
	"testing"
)

// TestVariables: where values come from, and what they may be.
func TestVariables(t *testing.T) {
	const server = "\nvirtual_server \"web\" {\n address = \"192.0.2.1:80\"\n dynamic \"real_server\" {\n  for_each = var.v\n  labels = [real_server.value]\n  content {}\n }\n}\n"
	for _, tc := range []struct {
		name, declared string
		given          map[string]string
		env            string
		want           string // addresses, or the start of the error's detail
	}{
		{"default", `variable "v" { default = ["10.0.0.1"] }`, nil, "", "10.0.0.1:80"},
		{"given", `variable "v" { default = ["10.0.0.1"] }`, map[string]string{"v": `["10.0.0.2", "10.0.0.3"]`}, "", "10.0.0.2:80 10.0.0.3:80"},
		{"environment", `variable "v" { default = ["10.0.0.1"] }`, nil, `["10.0.0.4"]`, "10.0.0.4:80"},
		{"given before environment", `variable "v" { default = ["10.0.0.1"] }`, map[string]string{"v": `["10.0.0.2"]`}, `["10.0.0.4"]`, "10.0.0.2:80"},
		{"type", `variable "v" { type = list(string) }`, map[string]string{"v": `["10.0.0.2"]`}, "", "10.0.0.2:80"},
		{"wrong type", `variable "v" { type = list(string) }`, map[string]string{"v": `5`}, "", `The value "5" of --var v is not what the variable "v" can be`},
		{"no expression", `variable "v" { type = list(string) }`, nil, `[`, `The value "[" of USHER_VAR_v is not`},
		{"sensitive", "variable \"v\" {\n type = number\n sensitive = true\n}", map[string]string{"v": `secret`}, "", `The value (sensitive) of --var v is not`},
		{"unknown", `variable "v" { default = ["10.0.0.1"] }`, map[string]string{"w": "1"}, "", `A value is given for the variable "w", but no file declares it.`},
		{"default of another type", `variable "v" {` + "\n" + `type = list(string)` + "\n" + `default = 5` + "\n}", nil, "", `The default of the variable "v" does not have its type`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.env != "" {
				t.Setenv("USHER_VAR_v", tc.env)
			}
			dir := write(t, map[string]string{"a.hcl": tc.declared + server})
			c, diags := Load([]string{dir}, tc.given)
			if diags.HasErrors() {
				if !strings.HasPrefix(diags[0].Detail, tc.want) {
					t.Errorf("%s", diags.Text(false))
				}
				return
			}
			var got []string
			for _, r := range c.VirtualServers[0].Real {
				got = append(got, r.Address.String())
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("%v, not %s", got, tc.want)
			}
		})
	}
}

func TestFunctions(t *testing.T) {
	t.Setenv("USHER_TEST_NAME", "from-env")
	dir := write(t, map[string]string{"list": "10.0.0.1\n10.0.0.2\n"})
	for expr, want := range map[string]string{
		`env("USHER_TEST_NAME")`:                                    "from-env",
		`env("USHER_TEST_NO_NAME", "other")`:                        "other",
		`join(",", compact(split("\n", file("list"))))`:             "10.0.0.1,10.0.0.2",
		`join(",", compact(split("\n", file("` + dir + `/list"))))`: "10.0.0.1,10.0.0.2",
		`hostname() == "" ? "none" : "some"`:                        "some",
		`cidrhost("10.0.0.0/16", 257)`:                              "10.0.1.1",
		`cidrhost("10.0.0.7/16", -1)`:                               "10.0.255.255",
		`cidrhost("2001:db8::/64", 65536)`:                          "2001:db8::1:0",
		`cidrhost("2001:db8::/64", -2)`:                             "2001:db8::ffff:ffff:ffff:fffe",
		`upper(format("%s-%d", "a", length([1, 2])))`:               "A-2",
		`try(local.none, "fallback")`:                               "fallback",
		`jsondecode("{\"a\": [1, 2]}").a[1]`:                        "2",
		`[for s in ["b", "a"] : s][1]`:                              "a",
		`tostring(max(1, 3))`:                                       "3",
	} {
		file := write(t, map[string]string{"list": "10.0.0.1\n10.0.0.2\n", "a.hcl": "global {\n router_id = " + expr + "\n}\n"})
		c := good(t, []string{file + "/a.hcl"}, nil)
		if c.Global.RouterID != want {
			t.Errorf("%s = %q, not %q", expr, c.Global.RouterID, want)
		}
	}
	for expr, want := range map[string]string{
		`cidrhost("10.0.0.0/30", 4)`:   "no such address",
		`cidrhost("10.0.0.0/30", -5)`:  "no such address",
		`cidrhost("255.0.0.0/8", 1.5)`: "whole number",
		`cidrhost("10.0.0.0", 1)`:      "not a network",
		`cidrhost("::/0", 1e30)`:       "whole number",
		`env("USHER_TEST_NO_NAME")`:    "no variable USHER_TEST_NO_NAME",
		`nosuch("x")`:                  "There is no function named",
	} {
		dir := write(t, map[string]string{"a.hcl": "global {\n router_id = " + expr + "\n}\n"})
		if _, diags := Load([]string{dir}, nil); !diags.HasErrors() || !strings.Contains(diags[0].Detail, want) {
			t.Errorf("%s: %v, not %q", expr, diags.Text(false), want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"web", "web", 0}, {"web", "wbe", 1}, {"web", "we", 1}, {"web", "webs", 1}, {"priorty", "priority", 1}, {"", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := distance(tc.a, tc.b); got != tc.want {
			t.Errorf("distance(%q, %q) = %d, not %d", tc.a, tc.b, got, tc.want)
		}
	}
}
