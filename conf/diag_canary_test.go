package conf

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canaries are distinct values, one for each key, that begin in the same way.
type canaries struct {
	n      int
	before strings.Builder // blocks that the values come from
	body   strings.Builder
}

func (c *canaries) next() string {
	c.n++
	return fmt.Sprintf("cnry%04d", c.n)
}

// write gives every key of a block, and of all within, what value says; "" for nothing.
func (c *canaries) write(b *block, value func(key) string) {
	if b.variants != nil {
		for _, v := range b.variants {
			c.write(v, value)
		}
		return
	}
	c.body.WriteString(b.name)
	for _, l := range b.labels {
		if b.name == webhookName {
			l = "https://usher:" + c.next() + "@hooks.example.org/" + c.next() + "?token=" + c.next()
		}
		fmt.Fprintf(&c.body, " %q", l)
	}
	c.body.WriteString(" {\n")
	for _, k := range b.keys {
		if text := value(k); text != "" {
			c.body.WriteString("  " + text + "\n")
		}
	}
	for _, inner := range b.blocks {
		c.write(inner, value)
	}
	c.body.WriteString("}\n")
}

// given is a value in the form of the key's type, or of another.
func given(k key, value string, right bool) string {
	if k.kind == kindPairs && right {
		return k.name + " = { TOKEN = " + value + " }"
	}
	if k.kind.list() == right {
		value = "[" + value + "]"
	}
	return k.name + " = " + value
}

// TestNoCanaryInADiagnostic: every key that there is holds a secret, which no complaint
// about it shows: one that is written in it, one of a sensitive variable, one of a file.
func TestNoCanaryInADiagnostic(t *testing.T) {
	dir := t.TempDir()
	for name, value := range map[string]func(c *canaries, k key, right bool) string{
		"written": func(c *canaries, k key, right bool) string {
			if !k.secret {
				return ""
			}
			return given(k, `"`+c.next()+`"`, right)
		},
		"misspelt": func(c *canaries, k key, right bool) string {
			if !k.secret || len(k.name) < 7 { // a short name that is misspelt is another
				return ""
			}
			k.name = k.name[:len(k.name)-1] + "t"
			return given(k, `"`+c.next()+`"`, right)
		},
		"sensitive": func(c *canaries, k key, right bool) string {
			fmt.Fprintf(&c.before, "variable \"v%d\" {\n  default   = %q\n  sensitive = true\n}\n", c.n+1, c.next())
			return given(k, fmt.Sprintf("var.v%d", c.n), right)
		},
		"part of it sensitive": func(c *canaries, k key, right bool) string {
			fmt.Fprintf(&c.before, "variable \"v%d\" {\n  default   = %q\n  sensitive = true\n}\n", c.n+1, c.next())
			return given(k, fmt.Sprintf(`"/x ${var.v%d}/y"`, c.n), right)
		},
		"file": func(c *canaries, k key, right bool) string {
			text := c.next()
			if err := os.WriteFile(filepath.Join(dir, text), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&c.before, "locals {\n  f%d = trimspace(file(join(\"\", [\"cn\", \"ry\", \"%04d\"])))\n}\n", c.n, c.n)
			return given(k, fmt.Sprintf("local.f%d", c.n), right)
		},
	} {
		for _, right := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, of the right type %t", name, right), func(t *testing.T) {
				c := &canaries{}
				for _, b := range schema().blocks {
					c.write(b, func(k key) string { return value(c, k, right) })
				}
				config := c.before.String() + c.body.String()
				_, diags := new(Loader).load([]text{{filepath.Join(dir, "a.hcl"), []byte(config)}}, nil, nil)
				document, err := json.Marshal(diags)
				if err != nil {
					t.Fatal(err)
				}
				shown := diags.Text(false) + string(document)
				if len(diags) < 20 || (name != "written" || !right) && !strings.Contains(shown, "***") {
					t.Errorf("%d diagnostics, too few to show anything:\n%s", len(diags), shown)
				}
				if at := strings.Index(shown, "cnry"); at >= 0 {
					t.Errorf("of %d canaries, shown: ...%s...", c.n, shown[max(0, at-300):min(len(shown), at+100)])
				}
			})
		}
	}
}
