package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: no text makes the loader panic, and what is wrong always has a place.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"examples/*.hcl", "testdata/*.hcl", "testdata/bad/*.hcl"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds %s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "range(") || strings.Contains(text, "file") || strings.Contains(text, "<<") {
			return // a million elements or a device file cost time, not correctness
		}
		c, found := LoadText("fuzz.hcl", []byte(text), nil)
		if (c == nil) != found.HasErrors() {
			t.Fatalf("a configuration (%t) and errors (%t)", c != nil, found.HasErrors())
		}
		for _, d := range found {
			if d.Range != nil && d.Range.Filename != "fuzz.hcl" {
				t.Fatalf("an error in a file that is not there: %v", d)
			}
		}
		found.Text(true)
	})
}
