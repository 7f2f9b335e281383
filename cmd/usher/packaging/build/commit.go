package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// commit is what the packages are built from.
type commit struct {
	hash     string // abbreviated
	subject  string
	describe string // by the nearest tag before it, else the hash alone; marked where the checkout has changes
	// time is borne by every file in the packages: two builds of one commit are the
	// same, byte for byte.
	time time.Time
}

func (b *builder) describe(ctx context.Context) (c commit, err error) {
	out, err := b.output(ctx, "git", "log", "-1", "--format=%cI%n%h%n%s")
	if err != nil {
		return c, err
	}
	lines := strings.SplitN(strings.TrimSpace(string(out)), "\n", 3)
	if len(lines) < 3 {
		return c, fmt.Errorf("git log says %q", out)
	}
	c.hash, c.subject = lines[1], lines[2]
	if c.time, err = time.Parse(time.RFC3339, lines[0]); err != nil {
		return c, err
	}
	c.time = c.time.UTC()
	out, err = b.output(ctx, "git", "describe", "--tags", "--always", "--dirty")
	c.describe = strings.TrimSpace(string(out))
	return c, err
}

// numbered tells a version from a commit's hash, which may begin with a digit, too.
var numbered = regexp.MustCompile(`^[0-9]+(\.[0-9]+)+([-.+~][A-Za-z0-9.+~-]*)?$`)

// packageVersion makes of what git says a version that dpkg and rpm sort as people
// do: what follows a tag is later than it. A commit without a tag before it has the
// time in its version, so that a later one is an upgrade, and is before any release.
func packageVersion(wanted string, c commit) string {
	if wanted == "" {
		wanted = c.describe
	}
	v := strings.TrimPrefix(wanted, "v")
	if numbered.MatchString(v) {
		// A hyphen would begin a package's revision. What follows it is before the
		// version where it is a release candidate or the like, else after it.
		base, rest, _ := strings.Cut(v, "-")
		switch rest = strings.ReplaceAll(rest, "-", "."); {
		case rest == "":
			return base
		case rest[0] >= '0' && rest[0] <= '9':
			return base + "+" + rest
		}
		return base + "~" + rest
	}
	return fmt.Sprintf("0.0.0~%s.%s", c.time.UTC().Format("20060102150405"), strings.ReplaceAll(v, "-", "."))
}
