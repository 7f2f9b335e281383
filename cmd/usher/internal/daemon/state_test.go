package daemon

import (
	"strings"
	"testing"
)

// TestTrustedFolder: what is in the state folder is done by root, so nobody else may have
// put it there.
func TestTrustedFolder(t *testing.T) {
	const folder = 0o040000
	for name, tc := range map[string]struct {
		owner, mode uint32
		uid         int
		want        string
	}{
		"its own":                 {0, folder | 0o750, 0, ""},
		"its own, as a user":      {1000, folder | 0o700, 1000, ""},
		"root's, as a user":       {0, folder | 0o755, 1000, ""},
		"a user's, as root":       {1000, folder | 0o700, 0, "belongs to user 1000, who could have usher undo things that are not its own: chown 0 /s"},
		"another's, as a user":    {1001, folder | 0o700, 1000, "belongs to user 1001"},
		"a group may write":       {0, folder | 0o770, 0, "(mode 0770), who could have usher undo things that are not its own: chmod go-w /s"},
		"everybody may write":     {0, folder | 0o1777, 0, "(mode 1777)"},
		"both, the owner is said": {1000, folder | 0o777, 0, "belongs to user 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			err := trusted("/s", tc.owner, tc.mode, tc.uid)
			if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v; want %q", err, tc.want)
			}
		})
	}
}
