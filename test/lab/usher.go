package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// privateScript runs a program with folders of its own mounted on /run and /var/lib, so
// that two directors on one machine each find the default paths for themselves.
const privateScript = `mount --bind "$0/run" /run && mount --bind "$0/lib" /var/lib && exec "$@"`

// private prepares a run of a program inside the node, with the node's own /run
// and /var/lib.
func (n *Node) private(ctx context.Context, args []string) (*exec.Cmd, error) {
	for _, d := range []string{"run", "lib"} {
		if err := os.MkdirAll(filepath.Join(n.Dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	cmd := command(ctx, append([]string{"sh", "-c", privateScript, n.Dir}, args...))
	cmd.Dir = n.Dir
	// Unshareflags, not Cloneflags: it also makes the mounts private.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return cmd, nil
}

func (n *Node) usher(ctx context.Context, args []string) (*exec.Cmd, error) {
	return n.private(ctx, append([]string{n.lab.Usher}, args...))
}

// Shell runs lines of bash inside the node as an administrator would type them:
// usher is in the PATH, and finds the node's own daemon. The first line that fails
// ends it. It returns the exit status and both outputs.
func (n *Node) Shell(ctx context.Context, script string) (int, string, error) {
	bin := filepath.Join(n.Dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return 0, "", err
	}
	if err := os.Symlink(n.lab.Usher, filepath.Join(bin, "usher")); err != nil && !errors.Is(err, os.ErrExist) {
		return 0, "", err
	}
	cmd, err := n.private(ctx, []string{"bash", "-e", "-o", "pipefail", "-c", script})
	if err != nil {
		return 0, "", err
	}
	cmd.Env = append(os.Environ(), "PATH="+bin+":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err = n.finish(cmd)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return cmd.ProcessState.ExitCode(), out.String(), err
}

// StartUsher starts `usher ARGS` and returns at once.
func (n *Node) StartUsher(args ...string) (*Process, error) {
	cmd, err := n.usher(context.Background(), args)
	if err != nil {
		return nil, err
	}
	return n.startProcess("usher", cmd)
}

// RunUsher starts `usher run ARGS` and returns when its control socket answers.
func (n *Node) RunUsher(ctx context.Context, args ...string) (*Process, error) {
	p, err := n.StartUsher(append([]string{"run"}, args...)...)
	if err != nil {
		return nil, err
	}
	if err := n.Serves(ctx, p); err != nil {
		return nil, err
	}
	return p, nil
}

// Serves waits until an usher that was started answers. An error says why it does not,
// and whether it has ended.
func (n *Node) Serves(ctx context.Context, p *Process) error {
	// An earlier process that was killed has left its socket: only an answer counts.
	err := Until(ctx, p.Name+" serves its control socket", func() error {
		select {
		case <-p.Done():
			return nil
		default:
		}
		_, err := n.Status(ctx)
		return err
	})
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
		return fmt.Errorf("%s ended at its start:\n%s", p.Name, p.Tail(20))
	default:
		return nil
	}
}

// Usher runs another command of the program under test, as in
// Usher(ctx, "status", "--json"), and returns both its outputs.
func (n *Node) Usher(ctx context.Context, args ...string) (string, error) {
	cmd, err := n.usher(ctx, args)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.finish(cmd); err != nil {
		return out.String(), fmt.Errorf("%s: usher %s: %w\n%s", n.Name, strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// Status is what `usher status --json` says, as far as the labs look at it.
type Status struct {
	RouterID       string          `json:"router_id"`
	Version        string          `json:"version"`
	Instances      []Instance      `json:"instances"`
	VirtualServers []VirtualServer `json:"virtual_servers"`
}

// Instance is one VRRP instance of a Status.
type Instance struct {
	Name              string    `json:"name"`
	State             string    `json:"state"`
	Priority          int       `json:"priority"`
	EffectivePriority int       `json:"effective_priority"`
	ActiveRouter      string    `json:"active_router"`
	VirtualRouterID   int       `json:"virtual_router_id"`
	Interface         string    `json:"interface"`
	Addresses         []string  `json:"addresses"`
	Transitions       int       `json:"transitions"`
	Since             time.Time `json:"since"`
}

// VirtualServer is one pool of a Status.
type VirtualServer struct {
	Name          string       `json:"name"`
	Address       string       `json:"address"`
	Protocol      string       `json:"protocol"`
	Scheduler     string       `json:"scheduler"`
	ForwardMethod string       `json:"forward_method"`
	Up            bool         `json:"up"`
	Quorum        int          `json:"quorum"`
	RealServers   []RealServer `json:"real_servers"`
}

// RealServer is one server of a pool.
type RealServer struct {
	Address             string `json:"address"`
	ForwardMethod       string `json:"forward_method"`
	Weight              int    `json:"weight"`
	EffectiveWeight     int    `json:"effective_weight"`
	State               string `json:"state"`
	Reason              string `json:"reason"`
	ActiveConnections   int    `json:"active_connections"`
	InactiveConnections int    `json:"inactive_connections"`
	Override            *struct {
		Mode   string `json:"mode"`
		Weight int    `json:"weight"`
		By     string `json:"by"`
	} `json:"override"`
}

// Status asks the node's usher over its control socket.
func (n *Node) Status(ctx context.Context) (Status, error) {
	var s Status
	body, err := n.Control(ctx, "/api/v1/status")
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(body, &s)
}

// Control asks the node's usher for a resource over its control socket, and waits five
// seconds at most.
func (n *Node) Control(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return n.Ask(ctx, path)
}

// Ask is Control that waits as long as ctx allows.
func (n *Node) Ask(ctx context.Context, path string) ([]byte, error) {
	return n.request(ctx, http.MethodGet, path)
}

// Post asks the node's usher over its control socket to do something that needs no
// more words than the path.
func (n *Node) Post(ctx context.Context, path string) ([]byte, error) {
	return n.request(ctx, http.MethodPost, path)
}

func (n *Node) request(ctx context.Context, method, path string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			// A socket's address is at most 107 bytes, a checkout's path may be longer.
			dir, err := os.Open(filepath.Join(n.Dir, "run/usher"))
			if err != nil {
				return nil, err
			}
			defer dir.Close()
			var d net.Dialer
			return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/usher.sock", dir.Fd()))
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://usher"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s\n%s", path, resp.Status, body)
	}
	return body, err
}

// State returns the state of an instance, "" while usher does not answer.
func (n *Node) State(ctx context.Context, instance string) string {
	s, err := n.Status(ctx)
	if err != nil {
		return ""
	}
	for _, i := range s.Instances {
		if i.Name == instance {
			return i.State
		}
	}
	return ""
}

// Await waits until an instance is in the state.
func (n *Node) Await(ctx context.Context, instance, state string) error {
	return Until(ctx, fmt.Sprintf("%s of %s is %s", instance, n.Name, state), func() error {
		if is := n.State(ctx, instance); is != state {
			return fmt.Errorf("it is %q", is)
		}
		return nil
	})
}

// AwaitServers waits until the pool's servers that are in the given state are
// exactly those.
func (n *Node) AwaitServers(ctx context.Context, pool, state string, want ...string) error {
	want = slices.Sorted(slices.Values(want))
	return Until(ctx, fmt.Sprintf("servers %s of %s are %s on %s", strings.Join(want, " "), pool, state, n.Name), func() error {
		s, err := n.Status(ctx)
		if err != nil {
			return err
		}
		var have []string
		for _, vs := range s.VirtualServers {
			for _, rs := range vs.RealServers {
				if vs.Name == pool && rs.State == state {
					have = append(have, rs.Address)
				}
			}
		}
		slices.Sort(have)
		if !slices.Equal(have, want) {
			return fmt.Errorf("they are %q", have)
		}
		return nil
	})
}
