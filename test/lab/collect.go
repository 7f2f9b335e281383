package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tables are the kernel tables that explain a failure.
var tables = [][]string{
	{"ip", "-d", "address"},
	{"ip", "route", "show", "table", "all"},
	{"ip", "neighbour"},
	{"ipvsadm", "-Ln"},
	{"ipvsadm", "-Ln", "--stats"},
	{"ipvsadm", "-Lnc"},
	{"nft", "list", "ruleset"},
	{"ss", "-tanpoi"},
	{"nstat", "-asz"}, // s: no history in /tmp
}

// Collect writes the kernel tables of every node beside its logs, and keeps the
// lab's folder. It must be called before Close.
func (l *Lab) Collect() {
	l.Keep()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, n := range l.nodes {
		var b strings.Builder
		for _, args := range tables {
			out, err := n.Output(ctx, args...)
			fmt.Fprintf(&b, "# %s\n%s", strings.Join(args, " "), out)
			if err != nil {
				fmt.Fprintf(&b, "%v\n", err)
			}
			b.WriteByte('\n')
		}
		if status, err := n.Control(ctx, "/api/v1/status"); err == nil {
			fmt.Fprintf(&b, "# status\n%s\n", status)
		}
		if err := os.WriteFile(filepath.Join(n.Dir, "tables.txt"), []byte(b.String()), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
		}
	}
}

// capture records what passes the front, without payloads.
func (l *Lab) capture(ctx context.Context) error {
	// Staying root: a change of user would make it outlive a killed test.
	p, err := l.LAN.Start("capture", "tcpdump", "-Z", "root", "-n", "-i", "front", "-s", "256", "-U", "-w", l.Pcap())
	if err != nil {
		return err
	}
	// Its word that it listens is the only sign; packets before it are lost.
	return Until(ctx, "tcpdump listens", func() error {
		if out := p.Tail(5); !strings.Contains(out, "listening on") {
			return fmt.Errorf("it says %q", out)
		}
		return nil
	})
}

// Pcap is the file that a lab with Capture records to.
func (l *Lab) Pcap() string { return filepath.Join(l.Dir, "front.pcap") }

// Preserve brings the lab's folder to where it outlives the virtual machine, and
// returns its place on the host.
func (l *Lab) Preserve(root string) (string, error) {
	to := Shared(root)
	if filepath.Dir(l.Dir) == to {
		return l.Dir, nil
	}
	to = filepath.Join(to, filepath.Base(l.Dir))
	return to, copyTree(to, l.Dir)
}
