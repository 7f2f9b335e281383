package lab

import (
	"context"
	"errors"
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

// Screenshots is the folder of pictures for the reader, which git ignores. In the
// virtual machine it is one of those that Boot brings home.
func Screenshots(root string) string { return filepath.Join(Shared(root), "screenshots") }

// bringHome moves the virtual machine's screenshots to the host's.
func bringHome(root, shared string) error {
	from := filepath.Join(shared, "screenshots")
	pictures, err := os.ReadDir(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	to := Screenshots(root)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, p := range pictures {
		if err := os.Rename(filepath.Join(from, p.Name()), filepath.Join(to, p.Name())); err != nil {
			return err
		}
	}
	return os.Remove(from)
}
