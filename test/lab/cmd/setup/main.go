// The command setup installs the Debian packages that the tests run and that this
// machine lacks, and says what it installs. With all there it does nothing and
// needs no network.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"usher/test/lab"
	"usher/test/lab/debian"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	tools := append(debian.Lab(), debian.Suite()...)
	place, _, err := lab.Decide()
	if err != nil {
		return err
	}
	if place == lab.Guest {
		tools = append(tools, debian.Virtual()...)
	}
	return debian.Ensure(ctx, os.Stderr, tools)
}
