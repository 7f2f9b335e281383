package conf

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestBad holds what is said about each bad configuration to the letter.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.hcl")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d bad configurations found: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".hcl"), func(t *testing.T) {
			c, diags := Load([]string{f}, nil)
			if c != nil || !diags.HasErrors() {
				t.Fatal("this was taken for a good configuration")
			}
			for _, d := range diags {
				if d.Range == nil || d.Source == "" {
					t.Errorf("an error without a place: %v", d)
				}
			}
			golden(t, strings.TrimSuffix(f, ".hcl")+".txt", diags.Text(false))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
