package probe

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"

	"usher/healthcheck"
	"usher/healthcheck/files"
)

// file looks at a file of this machine.
func file(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	f := c.File
	if f == nil {
		return cannot("no file is given")
	}
	info, err := files.Stat(ctx, f.Path)
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cannot("%v", err)
	}
	switch f.Mode {
	case "absent":
		r := pass()
		if there {
			r.Advice.Drain = true
			r.Reason = "maintenance: " + f.Path + " is there"
		}
		return r
	case "zero":
		if !there {
			return pass()
		}
		return zero(ctx, f.Path, info)
	case "weight":
		if !there {
			return failf("%s is not there", f.Path)
		}
		if !info.Mode().IsRegular() {
			return cannot("%s is not a regular file", f.Path)
		}
		return weightOf(ctx, f.Path)
	}
	if !there {
		return failf("%s is not there", f.Path)
	}
	return pass()
}

// numberMost is how many bytes a file with a number may have.
const numberMost = 4096

// content is what a small file holds.
func content(ctx context.Context, path string) (string, error) {
	text, err := files.Read(ctx, path, numberMost)
	return strings.TrimSpace(string(text)), err
}

// zero passes while a file holds the number 0, or nothing.
func zero(ctx context.Context, path string, info fs.FileInfo) healthcheck.Result {
	if !info.Mode().IsRegular() {
		return cannot("%s is not a regular file", path)
	}
	text, err := content(ctx, path)
	if err != nil {
		return cannot("%v", err)
	}
	if n, err := strconv.Atoi(text); text != "" && (err != nil || n != 0) {
		return failf("%s holds %s, want 0", path, quote([]byte(text)))
	}
	return pass()
}

func weightOf(ctx context.Context, path string) healthcheck.Result {
	text, err := content(ctx, path)
	if err != nil {
		return cannot("%v", err)
	}
	weight, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return failf("%s holds %s, want a weight from 0 to 65535", path, quote([]byte(text)))
	}
	return weighted(int(weight))
}

// weighted is a pass with a weight.
func weighted(weight int) healthcheck.Result {
	r := pass()
	r.Advice = healthcheck.Advice{Weighted: true, Weight: weight}
	return r
}
