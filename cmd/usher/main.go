// usher is a high-availability director for Linux Virtual Server.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"usher/cmd/usher/internal/cli"
	"usher/cmd/usher/internal/command"
	_ "usher/cmd/usher/internal/early" // which a VRRP process or a guard does not leave
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program with nothing taken from its surroundings but signals and the
// environment: an interrupt or SIGTERM ends what is under way in good order.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == command.Word {
		return command.Launcher(args[1:], stderr)
	}
	if os.Getpid() == 1 && len(args) > 0 && (args[0] == "run" || args[0] == "check") {
		return command.Init(args, stderr)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) == 0 || args[0] != "run" {
		// What does not see the end of the context (it reads a pipe that nobody writes to,
		// say) ends at the second signal, without any order.
		context.AfterFunc(ctx, stop)
	}
	return cli.Run(ctx, args, cli.System{Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: os.Getenv})
}
