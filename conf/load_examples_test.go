package conf

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExamples holds every example to be valid, alone, as people copy them.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("examples/*.hcl")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d examples found: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if _, diags := CheckText(f, text); len(diags) > 0 { // keys are where they are used
				t.Errorf("%s", diags.Text(false))
			}
			formatted, diags := Format(text, f)
			if diags.HasErrors() || string(formatted) != string(text) {
				t.Errorf("not as usher fmt writes it:\n%s%s", diags.Text(false), formatted)
			}
		})
	}
}
