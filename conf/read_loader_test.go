package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// same asserts that the quick way, where it gets through, gives what the thorough
// one does, and tells whether it got through.
func same(t *testing.T, texts []text, known pools) (pools, bool) {
	t.Helper()
	want, diags := thorough(texts, nil, nil, loading{})
	got, now := quick(texts, nil, known, loading{})
	if got == nil {
		return known, false
	}
	if len(diags) > 0 {
		t.Fatalf("nothing said where there is something to say:\n%s", diags.Text(false))
	}
	if diff := cmp.Diff(want, got, plain); diff != "" {
		t.Fatalf("another configuration (-thorough +quick):\n%s", diff)
	}
	return now, true
}

// TestQuickIsThorough: every good file gives the same both ways, twice, the second
// time from what is known of the first.
func TestQuickIsThorough(t *testing.T) {
	through := 0
	for _, pattern := range []string{"examples/*.hcl", "testdata/*.hcl"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			known, ok := same(t, []text{{name, b}}, nil)
			same(t, []text{{name, b}}, known)
			if ok {
				through++
			}
		}
	}
	if through < 5 {
		t.Errorf("the quick way got through %d files only", through)
	}
}

const web = "virtual_server \"web\" {\n  address = \"192.0.2.1:80\"\n  forward_method = \"nat\"\n  real_server \"10.0.0.1:80\" { weight = 1 }\n}\n"

// TestCutsThatAreNone: what looks like the beginning of a block is none within a
// string, a comment or another block.
func TestCutsThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name, text string
		quick      bool
	}{
		{"plain", web, true},
		{"no line end at the end", strings.TrimSuffix(web, "\n"), true},
		{"line ends of DOS", strings.ReplaceAll(web, "\n", "\r\n"), true},
		{"a comment before, between, after", "# one\n" + web + "# two\n// three\n" + strings.ReplaceAll(strings.ReplaceAll(web, "web", "db"), ":80\"\n", ":81\"\n") + "/* four */\n", true},
		{"heredoc", "locals { text = <<E\n" + web + "E\n}\n", false},
		{"heredoc at its own line", "locals {\n  text = <<E\n" + web + "E\n}\n" + web, false},
		{"comment", "/*\n" + web + "*/\n" + web, false},
		{"comment that a block opens and another closes", "locals {} /*\n" + web + "locals { a = 1 } */\n", false},
		{"not indented", "virtual_server \"web\" {\naddress = \"192.0.2.1:80\"\nforward_method = \"nat\"\nreal_server \"10.0.0.1:80\" {}\n}\n", false},
		{"two in one line", strings.TrimSuffix(web, "\n") + " locals {}\n", false},
		{"given twice", web + web, false},
		{"service taken", web + strings.Replace(web, "web", "db", 1), false},
		{"a stray argument", web + "a = 1\n", false},
		{"indented after another", web + "  locals {}\n", false},
		{"reference to nothing", "vrrp_instance \"a\" {\n  interface = \"eth0\"\n  virtual_router_id = 1\n  virtual_addresses = [\"192.0.2.1/32\"]\n  track_virtual_server \"no\" {}\n}\n" + web, false},
		{"reference", "vrrp_instance \"a\" {\n  interface = \"eth0\"\n  virtual_router_id = 1\n  virtual_addresses = [\"192.0.2.1/32\"]\n  track_virtual_server \"web\" {}\n}\n" + web, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			texts := []text{{"a.hcl", []byte(c.text)}}
			known, ok := same(t, texts, nil)
			if ok != c.quick {
				t.Errorf("quick: %t", ok)
			}
			same(t, texts, known)
		})
	}
}

// TestLoaderFollowsWhatItCannotSee: variables, the environment and files change
// though the text does not.
func TestLoaderFollowsWhatItCannotSee(t *testing.T) {
	dir := write(t, map[string]string{
		"a.hcl": "variable \"w\" { default = 1 }\n" +
			"virtual_server \"web\" {\n  address = \"192.0.2.1:80\"\n  forward_method = \"nat\"\n" +
			"  real_server \"10.0.0.1:80\" { weight = var.w }\n" +
			"  real_server \"10.0.0.2:80\" { weight = env(\"CONF_TEST_WEIGHT\", \"2\") }\n" +
			"  real_server \"10.0.0.3:80\" { weight = trimspace(file(\"w\")) }\n}\n",
		"w": "3\n",
	})
	l := &Loader{}
	weights := func(vars map[string]string) (all []int) {
		t.Helper()
		c, diags := l.Load([]string{dir}, vars)
		if c == nil {
			t.Fatal(diags.Text(false))
		}
		for _, r := range c.VirtualServers[0].Real {
			all = append(all, r.Weight)
		}
		if want := filepath.Join(dir, "w"); len(c.Files) != 2 || c.Files[1] != want {
			t.Errorf("files %q, the second must be %s", c.Files, want)
		}
		return all
	}
	if diff := cmp.Diff([]int{1, 2, 3}, weights(nil)); diff != "" {
		t.Error(diff)
	}
	t.Setenv("CONF_TEST_WEIGHT", "20")
	if err := os.WriteFile(filepath.Join(dir, "w"), []byte("30"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{10, 20, 30}, weights(map[string]string{"w": "10"})); diff != "" {
		t.Error(diff)
	}
}

// TestLoaderReadsWhatChanged: virtual servers whose text stays are those of the
// configuration before, even when a bad one came between; others are new.
func TestLoaderReadsWhatChanged(t *testing.T) {
	pool := func(name, weight string) string {
		return strings.NewReplacer("web", name, ".1:80\"\n", "."+name+":80\"\n", "weight = 1", "weight = "+weight).Replace(web)
	}
	dir := write(t, map[string]string{"a.hcl": pool("1", "1") + pool("2", "1") + pool("3", "1")})
	l := &Loader{}
	load := func(text string) *Config {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _ := l.Load([]string{dir}, nil)
		return c
	}
	before := load(pool("1", "1") + pool("2", "1") + pool("3", "1"))
	if load(pool("1", "1")+pool("2", "none")) != nil {
		t.Fatal("a bad configuration was taken")
	}
	after := load(pool("3", "1") + pool("2", "7") + pool("1", "1"))
	shared := func(a, b VirtualServer) bool { return a.Name == b.Name && &a.Real[0] == &b.Real[0] }
	if !shared(before.VirtualServers[0], after.VirtualServers[2]) || !shared(before.VirtualServers[2], after.VirtualServers[0]) {
		t.Error("a virtual server that stays was read again")
	}
	if w := after.VirtualServers[1].Real[0].Weight; w != 7 {
		t.Errorf("the weight that changed is %d", w)
	}
}

// FuzzQuick: whatever the quick way takes, the thorough one takes, and gives the same.
func FuzzQuick(f *testing.F) {
	f.Add(web)
	f.Add("locals { text = <<E\n" + web + "E\n}\n")
	f.Add("/*\n" + web + "*/\n" + web)
	f.Add("locals {\n  a = \"${1\n}\"\n}\n" + web)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, "range(") || strings.Contains(s, "file") {
			return // a million elements or a device file cost time, not correctness
		}
		known, _ := same(t, []text{{"fuzz.hcl", []byte(s)}}, nil)
		same(t, []text{{"fuzz.hcl", []byte(s)}}, known)
	})
}
