package debian

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The programs that unpack modules, by the form of a distribution's modules; and the
// modules are found where /usr is merged, too.
func TestModules(t *testing.T) {
	for _, c := range []struct {
		lib, module string
		want        []Tool
	}{
		{"lib/modules", "ip_vs.ko", nil},
		{"usr/lib/modules", "ip_vs.ko.xz", []Tool{{"xz", "xz-utils"}}},
		{"lib/modules", "ip_vs.ko.zst", []Tool{{"zstd", "zstd"}}},
	} {
		root := t.TempDir()
		for _, file := range []string{"boot/vmlinuz-6.8.0-60-generic", c.lib + "/6.8.0-60-generic/kernel/net/netfilter/ipvs/" + c.module} {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		k, err := open(root)
		if err != nil {
			t.Fatal(err)
		}
		if k.Release != "6.8.0-60-generic" {
			t.Errorf("release %s", k.Release)
		}
		if got := k.Tools(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.module, got, c.want)
		}
	}
}
