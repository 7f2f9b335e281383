// withoutipvs is usher with an IPVS in memory in the place of the kernel's, for labs on
// machines whose kernel has none: everything else of it is the real thing. Nothing is
// forwarded, and a table ends with its process.
package main

import (
	"cmp"
	"context"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"usher/cmd/usher/internal/cli"
	"usher/cmd/usher/internal/command"
	_ "usher/cmd/usher/internal/early" // which a VRRP process or a guard does not leave
	"usher/director"
	"usher/director/ipvstest"
	"usher/vrrp/sysctl"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is what usher itself does with a command line.
func run(args []string) int {
	if len(args) > 0 && args[0] == command.Word {
		return command.Launcher(args[1:], os.Stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Run(ctx, args, cli.System{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		IPVS:   func() (director.Kernel, error) { return ipvstest.New(), nil },
		Sysctl: &settings{ofIPVS: map[string]string{}},
	})
}

// settings are this machine's, but for those that come with IPVS.
type settings struct {
	sysctl.System

	mu     sync.Mutex
	ofIPVS map[string]string
}

func (s *settings) Get(name string) (string, error) {
	if !strings.HasPrefix(name, "net.ipv4.vs.") {
		return s.System.Get(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.ofIPVS[name], "0"), nil
}

func (s *settings) Set(name, value string) error {
	if !strings.HasPrefix(name, "net.ipv4.vs.") {
		return s.System.Set(name, value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ofIPVS[name] = value
	return nil
}
