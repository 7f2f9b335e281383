package debian

import (
	"slices"
	"testing"
)

// A package has its name in the distribution at hand, each is named once, and one
// that is not known at all keeps Debian's name, for the message.
func TestNamed(t *testing.T) {
	packages := []string{"nginx-light", "chromium|chromium-browser", "frr", "frr"}
	for distribution, c := range map[string]struct {
		has, want []string
	}{
		"Debian":        {[]string{"chromium", "frr", "nginx-light"}, []string{"chromium", "frr", "nginx-light"}},
		"Ubuntu":        {[]string{"chromium-browser", "frr", "nginx-light"}, []string{"chromium-browser", "frr", "nginx-light"}},
		"never updated": {nil, []string{"chromium", "frr", "nginx-light"}},
	} {
		got := named(packages, func(name string) bool { return slices.Contains(c.has, name) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", distribution, got, c.want)
		}
	}
}

func TestLookTriesEach(t *testing.T) {
	if path, ok := Look("no-such-program|sh"); !ok || path == "" {
		t.Error("the second of two is not found")
	}
}
