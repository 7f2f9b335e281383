// The command demo shows usher's main job on a real IPVS kernel and tells the
// story as it happens: `make demo`, `make demo FORWARD=dr|tun`, and that of several active
// directors behind a router: `make demo FORWARD=dr SCALE=4`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"usher/test/lab"
)

// limit is how long the virtual machine may run; a demo takes a third of it.
const limit = 4 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	forward := flags.String("forward", "nat", "forward method: "+strings.Join(methods, ", "))
	scale := flags.Int("scale", 0, fmt.Sprintf("so many active directors behind a router, %d to %d, with forward method dr; 0 for a pair", fewest, most))
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if !slices.Contains(methods, *forward) {
		fmt.Fprintf(stderr, "demo: forward method %q: must be one of %s\n", *forward, strings.Join(methods, ", "))
		return 2
	}
	if *scale != 0 && (*forward != "dr" || *scale < fewest || *scale > most) {
		fmt.Fprintf(stderr, "demo: %d directors with forward method %q: must be %d to %d, with forward method dr\n", *scale, *forward, fewest, most)
		return 2
	}
	code, err := demo(ctx, *forward, *scale, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return code
}

// demo chooses the place, makes it ready, and plays the story there.
func demo(ctx context.Context, forward string, scale int, stdout, stderr io.Writer) (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("not root: the lab needs network namespaces; run `make demo` as root")
	}
	root, err := lab.Root()
	if err != nil {
		return 0, err
	}
	place, why, err := lab.Decide()
	if err != nil {
		return 0, err
	}
	if place != lab.Inside {
		if err := lab.Ready(ctx, stderr); err != nil {
			return 0, err
		}
		release, err := lab.Alone(root)
		if err != nil {
			return 0, err
		}
		defer release()
		fmt.Fprintln(stdout, "The lab runs", why+".")
	}
	usher, err := lab.Build(ctx, root, false)
	if err != nil {
		return 0, err
	}
	if place == lab.Guest {
		return lab.Boot(ctx, root, usher, limit, stdout, stderr)
	}
	l, err := lab.New(ctx, filepath.Join(root, "artifacts"), lab.Options{Forward: forward, Usher: usher, Routed: scale != 0})
	if err != nil {
		return 0, err
	}
	if s := (&story{Lab: l, out: stdout, file: filepath.Join(root, "conf/examples", forward+".hcl")}); scale == 0 {
		err = s.tell(ctx)
	} else {
		s.file = filepath.Join(root, "conf/examples/bgp.hcl")
		f := &fleet{story: s, scale: scale}
		err = f.tell(ctx, f.steps())
	}
	if err != nil {
		l.Collect()
		kept, keepErr := l.Preserve(root)
		err = errors.Join(err, keepErr, fmt.Errorf("logs and kernel tables: %s", kept))
	}
	return 0, errors.Join(err, l.Close())
}
