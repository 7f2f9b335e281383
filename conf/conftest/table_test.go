package conftest

import (
	"strings"
	"testing"

	"usher/conf"
)

// TestTable: each entry of the table is one of a key of the schema.
func TestTable(t *testing.T) {
	known := map[string]bool{}
	for _, k := range conf.SchemaKeys() {
		last := k.Blocks[len(k.Blocks)-1]
		for _, at := range []string{k.String(), last + "." + k.Name, strings.Fields(last)[0] + "." + k.Name, k.Name} {
			known[at] = true
		}
	}
	// A health check has the same keys wherever it stands, and is changed in one place.
	for at := range known {
		rest, is := strings.CutPrefix(at, "virtual_server health_check ")
		if is && !(known["virtual_server real_server health_check "+rest] && known["virtual_server sorry_server health_check "+rest]) {
			t.Errorf("%s is not a key of servers", at)
		}
		for _, of := range []string{"real_server", "sorry_server"} {
			if rest, ok := strings.CutPrefix(at, "virtual_server "+of+" health_check "); ok && !known["virtual_server health_check "+rest] {
				t.Errorf("%s is not a key of virtual servers", at)
			}
		}
	}
	for at := range others() {
		if !known[at] {
			t.Errorf("the table has %s, which is no key of the schema", at)
		}
	}
}
