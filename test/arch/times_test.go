package arch

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// formats are the hands that may write a time: timespan for people, and those of documents
// whose form is prescribed, or of listings with a time in their first column.
var formats = map[string]string{
	"vrrp/timespan/timespan.go":           "for people, one way everywhere",
	"cmd/usher/internal/notify/change.go": "JSON and the environment of commands",
	"cmd/usher/internal/cli/check.go":     "JSON, and the first column of a listing",
	"cmd/usher/internal/cli/events.go":    "the first column of a listing",
	"conf/config_webhook.go":              "JSON",
	"cmd/usher/packaging/build/commit.go": "a version",
	"cmd/usher/packaging/build/main.go":   "a package's date",
	"cmd/usher/packaging/build/legal.go":  "a package's date",
}

// formatting finds a time that is written by hand.
var formatting = regexp.MustCompile(`\.Format\((time\.|"[^"]*(2006|15:04))`)

// Texts tell times in one way, by timespan.At: with UTC here and local time there, a
// person who compares two lines is wrong by hours.
func TestTimesAreToldOneWay(t *testing.T) {
	found := map[string]bool{}
	for _, folder := range []string{"cmd", "conf", "director", "healthcheck", "vrrp"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			file, _ := filepath.Rel(root, name)
			for i, line := range bytes.Split(text, []byte("\n")) {
				if !formatting.Match(line) {
					continue
				}
				found[file] = true
				if formats[file] == "" {
					t.Errorf("%s:%d writes a time by itself: texts for people use timespan.At", file, i+1)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for file := range formats {
		if !found[file] {
			t.Errorf("%s is allowed to write times, and writes none", file)
		}
	}
}
