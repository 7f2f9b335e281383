package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Node is one machine of the lab: a network namespace with a folder of its own.
type Node struct {
	Name string // as in the topology: client, a, b, rs1...
	Dir  string // its files and logs

	netns string // name of the namespace, as `ip netns` shows it
	inode uint64 // of the namespace
	lab   *Lab
	net   *netlink.Handle // speaks to the namespace
	calls chan func()     // run on a thread that lives in the namespace as long as the node
}

// netnsPath is where iproute2 keeps named namespaces.
func netnsPath(name string) string { return filepath.Join(netnsDir, name) }

const netnsDir = "/run/netns"

// serve makes the namespace and starts the node's thread in it. A process started
// from it is killed by the kernel when the thread ends, and with it when this
// process dies in any way.
func (n *Node) serve() error {
	ready := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, since its namespace
		// must not come back to the pool.
		runtime.LockOSThread()
		err := n.create()
		ready <- err
		if err != nil {
			return
		}
		for f := range n.calls {
			f()
		}
	}()
	return <-ready
}

// create moves the calling thread to a new namespace, gives it a name as
// `ip netns add` does, and opens a netlink socket in it.
func (n *Node) create() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(netnsPath(n.netns), nil, 0o444); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("new network namespace: %w", err)
	}
	if err := unix.Mount("/proc/thread-self/ns/net", netnsPath(n.netns), "none", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("name network namespace: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return err
	}
	n.inode = st.Ino
	var err error
	if n.net, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	return nil
}

func enter(netns string) error {
	fd, err := os.Open(netnsPath(netns))
	if err != nil {
		return err
	}
	defer fd.Close()
	if err := unix.Setns(int(fd.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", netns, err)
	}
	return nil
}

// Do runs f on a thread inside the node's namespace: sockets that f opens itself
// belong to the node. Goroutines that f starts do not.
func (n *Node) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := enter(n.netns); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// start starts a prepared command inside the node.
func (n *Node) start(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	n.calls <- func() { done <- cmd.Start() }
	return <-done
}

// Output runs a program inside the node and returns what it wrote on its standard
// output. The error names the command and carries both outputs.
func (n *Node) Output(ctx context.Context, args ...string) (string, error) {
	cmd := command(ctx, args)
	cmd.Dir = n.Dir
	var out, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := n.finish(cmd); err != nil {
		return out.String(), fmt.Errorf("%s: %s: %w\n%s%s", n.Name, strings.Join(cmd.Args, " "), err, out.String(), complaints.String())
	}
	return out.String(), nil
}

// finish starts a command inside the node and waits for its end.
func (n *Node) finish(cmd *exec.Cmd) error {
	if err := n.start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// Sysctl sets a kernel parameter of the node, as in "net.ipv4.ip_forward".
func (n *Node) Sysctl(key, value string) error {
	return n.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/")), []byte(value), 0o644)
	})
}

// IP runs iproute2's `ip` inside the node, as in IP(ctx, "link", "del", "eth0").
func (n *Node) IP(ctx context.Context, args ...string) error {
	_, err := n.Output(ctx, append([]string{"ip"}, args...)...)
	return err
}

// command is exec.CommandContext that also finds programs in the sbin folders.
func command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if cmd.Err != nil {
		for _, dir := range []string{"/usr/local/sbin/", "/usr/sbin/", "/sbin/"} {
			if c := exec.CommandContext(ctx, dir+args[0], args[1:]...); !strings.Contains(args[0], "/") && c.Err == nil {
				if _, err := os.Stat(c.Path); err == nil {
					return c
				}
			}
		}
	}
	return cmd
}

// WriteFile puts a file into the node's folder and returns its path.
func (n *Node) WriteFile(name, content string) (string, error) {
	path := filepath.Join(n.Dir, name)
	return path, os.WriteFile(path, []byte(content), 0o644)
}
