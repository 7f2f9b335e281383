package probe

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"usher/healthcheck"
	"usher/vrrp/timespan"
)

// Program is what an exec check runs: without a shell, as a user (USER or USER:GROUP, ""
// for this process's own), with Env and nothing of this process's environment.
type Program struct {
	Args []string
	User string
	Env  []string
}

// Exit is how a program ended.
type Exit struct {
	Code   int
	Signal int    // that ended it; 0 for none
	Output []byte // the beginning of what it said, on both outputs
	Cut    bool   // it said far too much, and was ended for that
}

// Commands runs a program to its end and leaves nothing of it. When ctx ends first, it
// ends the program with all that it has started and gives ctx's error; any other error
// says why the program could not be started.
type Commands func(ctx context.Context, p Program) (Exit, error)

// command runs a program. Its exit status is Nagios's: 0 is good, 1 a warning, which is
// good too, anything else bad.
func (run Commands) command(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	x := c.Exec
	switch {
	case x == nil || len(x.Command) == 0:
		return cannot("no command is given")
	case run == nil:
		return cannot("there is nothing that runs commands here")
	}
	exit, err := run(ctx, Program{Args: x.Command, User: x.User, Env: variables(c)})
	return conceal(judgeExit(ctx, c, exit, err), secretsGiven(x.Env)...)
}

// judgeExit reads a program's exit status and output.
func judgeExit(ctx context.Context, c *healthcheck.Check, exit Exit, err error) healthcheck.Result {
	x := c.Exec
	name := x.Command[0]
	said := firstLine(exit.Output)
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return failf("%s did not end within %s and was killed", name, timespan.Text(c.Timeout))
	case ctx.Err() != nil:
		return healthcheck.Result{Reason: "stopped"}
	case err != nil:
		return cannot("%v", err)
	case exit.Cut:
		return failf("%s printed more than can be read%s", name, said)
	case exit.Signal != 0:
		return failf("%s was ended by a signal: %s%s", name, syscall.Signal(exit.Signal), said)
	}
	if x.Weight == "exit" && exit.Code >= 2 {
		return weighted(exit.Code - 2)
	}
	switch exit.Code {
	case 0:
		if x.Weight == "stdout" {
			return weightPrinted(name, exit.Output)
		}
		return pass()
	case 1:
		if x.WarningDown || x.Weight == "exit" { // with misc_dynamic, too, 1 is a failure
			return failf("%s ended with status 1%s", name, said)
		}
		r := pass()
		r.Reason = "warning" + said
		return r
	}
	return failf("%s ended with status %d%s", name, exit.Code, said)
}

// weightPrinted is the number that a program printed first.
func weightPrinted(name string, out []byte) healthcheck.Result {
	word, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	weight, err := strconv.ParseUint(strings.TrimSpace(word), 10, 16)
	if err != nil {
		return failf("%s printed %s, want a weight from 0 to 65535", name, quote(word))
	}
	return weighted(int(weight))
}

// variables tell a program what it is asked about.
func variables(c *healthcheck.Check) []string {
	return append([]string{
		"USHER_ADDRESS=" + c.Address.Addr().String(),
		fmt.Sprintf("USHER_PORT=%d", c.Address.Port()),
	}, c.Exec.Env...)
}

// firstLine is what a program said, to be put after a message.
func firstLine(out []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	if len(line) == 0 {
		return ""
	}
	return ": " + quote(line)
}
