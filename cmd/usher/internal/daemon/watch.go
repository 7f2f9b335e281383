package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/conf"
	"usher/healthcheck/files"
)

// WatchInterval is how often the files of the configuration are looked at. They are
// few, and a look also sees what notification misses: a symbolic link that is
// turned, another machine's change on a network file system.
const WatchInterval = time.Second

// watch reloads when a file of the configuration has changed and stood still for
// one interval, until ctx ends. before is the fingerprint of paths taken before
// they were read at the start.
func (d *Daemon) watch(ctx context.Context, paths []string, before string) error {
	tick := time.NewTicker(WatchInterval)
	defer tick.Stop()
	// loaded is what the running configuration was read from; nothing, where the
	// files changed while they were read.
	settle := func(before string) string {
		// In this order: what changes between the two is seen by the second, what
		// changes after it differs from the first.
		loaded := fingerprint(paths, d.running())
		if fingerprint(paths, nil) != before {
			return ""
		}
		return loaded
	}
	loaded := settle(before)
	last := loaded
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := fingerprint(paths, d.running())
		if now != loaded && now == last {
			d.log.Info("a file of the configuration has changed")
			before := fingerprint(paths, nil)
			// The outcome is logged and an event; a bad file is not tried again until
			// it changes.
			_ = d.Reload(ctx)
			loaded = settle(before)
		}
		last = now
	}
}

// fingerprint tells one state of the files from another by names, sizes and times
// of change.
func fingerprint(paths []string, c *conf.Config) string {
	var all []string
	for _, p := range paths {
		if names, err := conf.Folder(p); err == nil {
			all = append(all, names...)
		}
		all = append(all, p) // which may be no folder
	}
	if c != nil {
		all = append(all, c.Files...) // and what the function file read
	}
	slices.Sort(all)
	ctx, cancel := context.WithTimeout(context.Background(), files.Patience)
	defer cancel()
	var b strings.Builder
	for _, f := range slices.Compact(all) {
		info, err := files.Stat(ctx, f)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", f, err)
			continue
		}
		if info.IsDir() {
			continue // its files are listed; its own time changes with an editor's swap file
		}
		fmt.Fprintf(&b, "%s: %d %d\n", f, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}
