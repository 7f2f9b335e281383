package probe

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"usher/healthcheck"
)

// file looks at a file of this machine.
func file(_ context.Context, c *healthcheck.Check) healthcheck.Result {
	f := c.File
	if f == nil {
		return healthcheck.Result{Reason: "no file is given"}
	}
	info, err := os.Stat(f.Path)
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return healthcheck.Result{Reason: err.Error()}
	}
	switch f.Mode {
	case "absent":
		r := pass()
		if there {
			r.Advice.Drain = true
			r.Reason = "maintenance: " + f.Path + " is there"
		}
		return r
	case "weight":
		if !there {
			return failf("%s is not there", f.Path)
		}
		if !info.Mode().IsRegular() {
			return healthcheck.Result{Reason: f.Path + " is not a regular file"}
		}
		return weightOf(f.Path)
	}
	if !there {
		return failf("%s is not there", f.Path)
	}
	return pass()
}

func weightOf(path string) healthcheck.Result {
	f, err := os.Open(path)
	if err != nil {
		return healthcheck.Result{Reason: err.Error()}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return healthcheck.Result{Reason: err.Error()}
	}
	weight, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 16)
	if err != nil {
		return failf("%s holds %s, want a weight from 0 to 65535", path, quote(text))
	}
	return weighted(int(weight))
}

// weighted is a pass with a weight.
func weighted(weight int) healthcheck.Result {
	r := pass()
	r.Advice = healthcheck.Advice{Weighted: true, Weight: weight}
	return r
}
