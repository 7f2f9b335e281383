package keepalived

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/conf"
)

// FuzzImport: no text makes the importer panic, and what it writes always loads.
func FuzzImport(f *testing.F) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, text := range []string{
		"vrrp_instance \"a\\nb${c}\" {\n interface \"e'th 0\"\n virtual_router_id 1\n virtual_ipaddress {\n  10.0.0.1\n }\n}",
		"virtual_server 10.0.0.1 80 {\n protocol TCP\n real_server 10.0.0.2 80 {\n  HTTP_GET {\n   url {\n    path /a b\n   }\n  }\n }\n}",
		"$A = $A$A\n$A", "~SEQ(a,1,9)~SEQ(b,1,9) $a$b { }", "~LST({a,b},{1,2}) $a",
		"vrrp_sync_group a {\n group {\n  b\n }\n}\nvrrp_sync_group a {\n}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			return // the files of the machine are no input of this test
		}
		tr := &translator{}
		r := newReader("lb1", "", tr.warnAt)
		r.limit = 10_000
		if err := r.text(text, "keepalived.conf"); err != nil {
			return
		}
		hcl, _, err := tr.finish(parse(r.lines, tr.warnAt))
		if err != nil {
			t.Fatal(err)
		}
		if _, diags := conf.LoadText("usher.hcl", hcl, nil); diags.HasErrors() {
			t.Fatalf("%s\n%s", diags.Text(false), hcl)
		}
	})
}
