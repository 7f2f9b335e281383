// Command director measures how long usher and keepalived take to bring a large
// configuration into the kernel's IPVS, and to reload it with one weight changed,
// one after the other in one run on one kernel. Where this machine's kernel has no
// IPVS it runs itself in the lab's virtual machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"usher/test/lab"
)

// limit is how long the whole run may take in the virtual machine.
const limit = 30 * time.Minute

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	both := flag.String("services", "100,1000", "sizes, in virtual servers of 10 real servers, that both programs run")
	alone := flag.String("alone", "5000,10000", "sizes that usher runs alone")
	flag.Parse()
	code, err := place(ctx, *both, *alone)
	if err != nil {
		fmt.Fprintln(os.Stderr, "director:", err)
		return 1
	}
	return code
}

// place finds where to measure, and does.
func place(ctx context.Context, both, alone string) (int, error) {
	root, err := lab.Root()
	if err != nil {
		return 1, err
	}
	where, why, err := lab.Decide()
	if err != nil {
		return 1, err
	}
	usher, err := lab.Build(ctx, root, false)
	if err != nil {
		return 1, err
	}
	if where == lab.Guest {
		fmt.Fprintln(os.Stderr, "director:", why)
		return lab.Boot(ctx, root, usher, limit, os.Stdout, os.Stderr)
	}
	return 0, errors.Join(measure(ctx, filepath.Join(root, "artifacts"), usher, both, alone))
}

func measure(ctx context.Context, base, usher, both, alone string) error {
	fmt.Println("| services x servers | program | start to complete, s | reload with one weight changed, s | operations of the reload |")
	fmt.Println("|---|---|---|---|---|")
	for _, list := range []struct {
		sizes    string
		programs []program
	}{{both, []program{keepalived{}, usherProgram{}}}, {alone, []program{usherProgram{}}}} {
		for size := range strings.SplitSeq(list.sizes, ",") {
			if size == "" {
				continue
			}
			n, err := strconv.Atoi(size)
			if err != nil || n < 1 || n > 60000 {
				return fmt.Errorf("size %q: it must be 1 to 60000", size)
			}
			for _, p := range list.programs {
				r, err := trial(ctx, base, usher, p, n)
				if err != nil {
					return fmt.Errorf("%s with %d services: %w", p.name(), n, err)
				}
				fmt.Printf("| %d x %d | %s | %.2f | %.2f | %s |\n", n, servers, p.name(), r.start.Seconds(), r.reload.Seconds(), r.operations)
			}
		}
	}
	return nil
}
