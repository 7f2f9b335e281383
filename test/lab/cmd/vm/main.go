// The command vm runs another command in the lab's virtual machine:
//
//	go run ./test/lab/cmd/vm -- ipvsadm -Ln
//
// It ends with that command's exit status, or with 125 where the machine itself
// did not do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"usher/test/lab"
	"usher/test/lab/vm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("vm", flag.ContinueOnError)
	flags.SetOutput(stderr)
	limit := flags.Duration("limit", 10*time.Minute, "end the machine after this long")
	memory := flags.Int("memory", 2048, "memory in MB")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 125
	}
	if flags.NArg() == 0 {
		fmt.Fprintln(stderr, "usage: vm [-limit D] [-memory MB] -- COMMAND [ARG...]")
		return 125
	}
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(stderr, "vm:", err)
		return 125
	}
	root, err := lab.Root()
	if err != nil {
		fmt.Fprintln(stderr, "vm:", err)
		return 125
	}
	shared, err := lab.Folder(root, "vm")
	if err != nil {
		fmt.Fprintln(stderr, "vm:", err)
		return 125
	}
	defer vm.Tidy(shared)
	status, err := vm.Run(ctx, vm.Options{
		Cache: lab.Cache(root), Shared: shared, Command: flags.Args(), Dir: dir,
		Limit: *limit, Memory: *memory, Output: stdout, Log: stderr,
	})
	if err != nil {
		fmt.Fprintln(stderr, "vm:", err)
		return 125
	}
	return status
}
