package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"usher/healthcheck"
)

// command runs a program without a shell, in its own process group, which is
// killed whole when the time is up. Its exit status is Nagios's: 0 is good, 1 a
// warning, which is good too, anything else bad.
func command(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	x := c.Exec
	if x == nil || len(x.Command) == 0 {
		return healthcheck.Result{Reason: "no command is given"}
	}
	cmd := exec.CommandContext(ctx, x.Command[0], x.Command[1:]...)
	out := &headBuffer{most: 4096}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), variables(c)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if x.User != "" {
		credential, err := credentialOf(x.User)
		if err != nil {
			return healthcheck.Result{Reason: err.Error()}
		}
		cmd.SysProcAttr.Credential = credential
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	// A grandchild that left the group keeps the pipe open; it is not waited for.
	cmd.WaitDelay = 100 * time.Millisecond
	err := cmd.Run()
	if cmd.Process != nil {
		// Whatever the program left running in its group.
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return conceal(judgeExit(ctx, c, err, out.Bytes()), secretsGiven(x.Env)...)
}

// judgeExit reads a program's exit status and output.
func judgeExit(ctx context.Context, c *healthcheck.Check, err error, out []byte) healthcheck.Result {
	x := c.Exec
	name := x.Command[0]
	said := firstLine(out)
	var exit *exec.ExitError
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return failf("%s did not end within %s and was killed%s", name, round(c.Timeout), said)
	case ctx.Err() != nil:
		return healthcheck.Result{Reason: "stopped"}
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		return healthcheck.Result{Reason: err.Error()}
	}
	code := 0
	if exit != nil {
		if code = exit.ExitCode(); code < 0 {
			return failf("%s was ended by a signal: %s%s", name, exit.ProcessState, said)
		}
	}
	if x.Weight == "exit" && code >= 2 {
		return weighted(code - 2)
	}
	switch code {
	case 0:
		if x.Weight == "stdout" {
			return weightPrinted(name, out)
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
	return failf("%s ended with status %d%s", name, code, said)
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

// credentialOf finds a user by name or number, with his groups.
func credentialOf(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("user %q is not known on this machine", name)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	if int(uid) == os.Getuid() && int(gid) == os.Getgid() {
		return nil, nil
	}
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %q: %w", name, err)
	}
	for _, g := range groups {
		if n, err := strconv.ParseUint(g, 10, 32); err == nil {
			credential.Groups = append(credential.Groups, uint32(n))
		}
	}
	return credential, nil
}

// firstLine is what a program said, to be put after a message.
func firstLine(out []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	if len(line) == 0 {
		return ""
	}
	return ": " + quote(line)
}

// headBuffer keeps the beginning of what is written.
type headBuffer struct {
	bytes.Buffer
	most int
}

func (h *headBuffer) Write(b []byte) (int, error) {
	if room := h.most - h.Len(); room > 0 {
		h.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}
