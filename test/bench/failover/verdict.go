package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// verdict says for each cell of the table whether usher is no slower.
type verdict struct {
	yes    int
	slower []string
}

// alike is a difference that counts as none: the time stamps of two labs differ by
// more from one run to the next.
const alike = 20 * time.Microsecond

// judge compares one row: the first advertisement and the first gratuitous ARP,
// median and 99th percentile.
func (v *verdict) judge(row string, ours, theirs []result) {
	for _, cell := range []struct {
		name string
		of   func(result) time.Duration
	}{{"advert", result.ofAdvert}, {"garp", result.ofGARP}} {
		for _, percent := range []int{50, 99} {
			us, them := quantile(ours, cell.of, percent), quantile(theirs, cell.of, percent)
			if us <= them+alike {
				v.yes++
				continue
			}
			v.slower = append(v.slower, fmt.Sprintf("%s %s p%d by %.2f ms", row, cell.name, percent, float64(us-them)/float64(time.Millisecond)))
		}
	}
}

func (v *verdict) print(w io.Writer) {
	fmt.Fprintf(w, "usher no slower at first advertisement and first gratuitous ARP, median and p99: yes in %d cells of %d\n", v.yes, v.yes+len(v.slower))
	for _, s := range v.slower {
		fmt.Fprintln(w, "  no:", s)
	}
}

// environment says what was measured on.
func environment(ctx context.Context, w io.Writer) error {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	// Its version goes to standard error.
	version, err := exec.CommandContext(ctx, "keepalived", "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("keepalived --version: %w", err)
	}
	first, _, _ := strings.Cut(string(version), "\n")
	fmt.Fprintf(w, "%s, Linux %s, %d processors, load %s; %s\n", time.Now().UTC().Format(time.DateTime),
		strings.TrimSpace(string(kernel)), runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:3], " "), first)
	return nil
}
