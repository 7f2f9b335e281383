package conf

import (
	"os"
	"path/filepath"
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
	f.Add(chain(`"x"`, `"${@}${@}${@}"`, 5) + `locals { b = indent(200000, "a\nb") + setproduct(range(99), [1]) }`)
	f.Add(`locals { a = [for x in range(10) : regexreplace(format("%5d", x), "(.)", "$1$1") if 1e10 > x] }`)
	f.Add(`locals { a = [[[((-!jsondecode("[[{\"a\": 1e99}]]")[0])["a"])]]] }`)
	f.Fuzz(func(t *testing.T, text string) {
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
