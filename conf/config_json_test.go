package conf

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestJSONRoundTrip: the last good configuration is kept as JSON, so nothing may
// be lost on the way.
func TestJSONRoundTrip(t *testing.T) {
	files, err := filepath.Glob("examples/*.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, "testdata/design.hcl", "testdata/everything.hcl") {
		// An example's keys are in no file of this machine.
		c, diags := (&Loader{how: loading{open: func(string) ([]byte, error) { return []byte(unread), nil }}}).Load([]string{f}, nil)
		if diags.HasErrors() {
			t.Fatalf("%s: %s", f, diags.Text(false))
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back Config
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if diff := cmp.Diff(*c, back, plain, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-before +after):\n%s", f, diff)
		}
	}
}
