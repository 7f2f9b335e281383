package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"usher/test/lab"
)

// beside is how many other servers are checked while the victims die: few, as an
// emulated machine is slow.
const beside = 50

// machineLimit is how long the part in a virtual machine may take.
const machineLimit = 15 * time.Minute

// watch measures the time from a server's death to its removal from IPVS, where there
// is IPVS: in this very process, or in a virtual machine that runs this program again.
func watch(ctx context.Context, o options) error {
	root, err := lab.Root()
	if err != nil {
		return err
	}
	where, why, err := lab.Decide()
	if err != nil {
		return err
	}
	if where != lab.Guest {
		return removals(ctx, filepath.Join(root, "artifacts"), o)
	}
	if !o.removal {
		// The machine runs the command line of the process that boots it.
		cmd := exec.CommandContext(ctx, "/proc/self/exe", "-removal", "-usher", o.usher, "-deaths", fmt.Sprint(o.deaths))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("watch IPVS: %w", err)
		}
		return nil
	}
	fmt.Fprintln(os.Stderr, "checks:", why)
	usher, err := filepath.Abs(o.usher)
	if err != nil {
		return err
	}
	code, err := lab.Boot(ctx, root, usher, machineLimit, os.Stdout, os.Stderr)
	if err == nil && code != 0 {
		err = fmt.Errorf("the virtual machine ended with status %d", code)
	}
	return err
}

// removals runs both programs at once, each in a network namespace of its own with
// servers of its own, and lets one server of each die at the same moments.
func removals(ctx context.Context, base string, o options) (err error) {
	usher, err := filepath.Abs(o.usher)
	if err != nil {
		return err
	}
	l, err := lab.New(ctx, base, lab.Options{Usher: usher})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	s := set{"tcp", beside}
	if _, err := l.A.WriteFile("bench.hcl", string(usherConf(s))); err != nil {
		return err
	}
	if _, err := l.B.WriteFile("bench.conf", string(keepalivedConf(s))); err != nil {
		return err
	}
	both := []*lab.Node{l.A, l.B}
	for _, n := range both {
		if err := serveIn(n); err != nil {
			return err
		}
	}
	if _, err := l.A.StartUsher("run", "-c", l.A.Dir+"/bench.hcl"); err != nil {
		return err
	}
	if _, err := l.B.KeepalivedFile("-C", "-f", l.B.Dir+"/bench.conf"); err != nil {
		return err
	}
	took := make([][]time.Duration, len(both))
	for i := range o.deaths {
		// Deaths come at every part of the interval alike.
		if err := die(ctx, both, interval*time.Duration(i)/time.Duration(o.deaths), took); err != nil {
			return err
		}
	}
	fmt.Printf("\nfrom a server's death to its removal from IPVS, %d deaths, interval 1 s, one failure decides, ms:\n", o.deaths)
	for i, name := range []string{"usher", "keepalived"} {
		slices.Sort(took[i])
		fmt.Printf("  %-11s median %4d, most %4d\n", name, took[i][len(took[i])/2].Milliseconds(), took[i][len(took[i])-1].Milliseconds())
	}
	return nil
}

// serveIn plays the servers of a node, but for its victim. The sockets end with the
// process.
func serveIn(n *lab.Node) error {
	_, err := listenIn(n, fmt.Sprintf("0.0.0.0:%d", tcpPort))
	return err
}

func listenIn(n *lab.Node, address string) (l net.Listener, err error) {
	err = n.Do(func() error {
		l, err = net.Listen("tcp4", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return l, nil
}

// die brings the victims of all nodes to life, awaits them in IPVS, kills them all after
// a pause and notes how long each stays there.
func die(ctx context.Context, nodes []*lab.Node, after time.Duration, took [][]time.Duration) error {
	dead := netip.AddrPortFrom(netip.MustParseAddr(victim), victimPort)
	var lives []net.Listener
	for _, n := range nodes {
		live, err := listenIn(n, dead.String())
		if err != nil {
			return err
		}
		defer live.Close()
		lives = append(lives, live)
	}
	for _, n := range nodes {
		err := lab.Until(ctx, "the victim is in IPVS of "+n.Name, func() error {
			in, err := n.InIPVS(dead)
			if err == nil && !in {
				err = errors.New("it is not")
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := pause(ctx, after); err != nil {
		return err
	}
	died := time.Now()
	for _, live := range lives {
		live.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	gone := make([]bool, len(nodes))
	for slices.Contains(gone, false) {
		for i, n := range nodes {
			if gone[i] {
				continue
			}
			in, err := n.InIPVS(dead)
			if err != nil {
				return err
			}
			if !in {
				gone[i], took[i] = true, append(took[i], time.Since(died))
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a dead server is still in IPVS: %w", ctx.Err())
		case <-ticker.C:
		}
	}
	return nil
}
