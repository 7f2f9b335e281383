// The command setup installs the Debian packages that the tests run and that this
// machine lacks, and says what it installs. Where the distribution has no package
// of Chromium, it fetches one into the checkout. With all there it does nothing and
// needs no network.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"usher/test/lab"
	"usher/test/lab/chromium"
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
	root, err := lab.Root()
	if err != nil {
		return err
	}
	browser, err := chromium.Tools(ctx, root)
	if err != nil {
		return err
	}
	if err := debian.Ensure(ctx, os.Stderr, append(tools, browser...)); err != nil {
		return err
	}
	return chromium.Fetch(ctx, os.Stderr, root)
}
