package conf

import (
	"strings"
	"testing"
)

// TestLocals: a local waits for those that it refers to, by whatever way.
func TestLocals(t *testing.T) {
	for _, tc := range []struct {
		name, locals string
		want         string // local.v
		bad          string // a part of the error
	}{
		{"by name", `v = local.a`, "one", ""},
		{"by a constant", `v = local["a"]`, "one", ""},
		{"by a local", `v = local[local.k]`, "later", ""},
		{"by a local of its own", `v = local[local.k].x`, "", "Unsupported attribute"},
		{"by a variable", `v = local[var.k]`, "later", ""},
		{"by a text that is put together", `v = local["${var.half}ter"]`, "later", ""},
		{"by a local that is found the same way", `v = local[local[local.kk]]`, "later", ""},
		{"by each of a list", `v = join(" ", [for k in ["a", "later"] : local[k]])`, "one later", ""},
		{"by its place among all", `v = values(local)[0]`, "one", ""},
		{"by a name that nothing has", `v = local["${var.half}st"]`, "", "Invalid index"},
		{"itself", `v = local[local.own]`, "", `none can be evaluated: v.`},
		{"in a circle", `v = local[local.other]`, "", `none can be evaluated: v, w.`},
		{"all, that is itself", `v = join("", [for k in ["x"] : local[k]])`, "", `none can be evaluated: v, x.`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := `
variable "k" { default = "later" }
variable "half" { default = "la" }
locals {
  a     = "one"
  ` + tc.locals + `
  later = local.mid
  mid   = local.k
  k     = "later"
  kk    = "mid"
  own   = "v"
  other = "w"
}
global { router_id = local.v }
`
			switch tc.name {
			case "in a circle":
				text += "locals { w = local.v }\n"
			case "all, that is itself":
				text += "locals { x = keys(local) }\n"
			}
			for range 20 { // they are kept in maps
				c, diags := LoadText("usher.hcl", []byte(text), nil)
				switch {
				case c == nil && (tc.bad == "" || !strings.Contains(diags.Text(false), tc.bad)):
					t.Fatalf("%s", diags.Text(false))
				case c != nil && (tc.bad != "" || c.Global.RouterID != tc.want):
					t.Fatalf("%q, not %q%s", c.Global.RouterID, tc.want, tc.bad)
				}
			}
		})
	}
}
