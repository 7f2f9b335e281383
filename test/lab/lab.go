package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
)

// Options say what kind of lab it is.
type Options struct {
	// Forward decides how real servers are prepared and how their answers find
	// the client: dr, nat, tun or fullnat. "" leaves out client and real servers:
	// two routers on one network, which is all that VRRP needs.
	Forward string
	Usher   string // path of the program under test
	Capture bool   // record the front network's packets in front.pcap
	Third   bool   // a third director, c
	Visitor bool   // a client on both networks, whatever Forward is
	Routed  bool   // several directors behind a router; see fabric
}

// Lab is a running topology. Close must be called.
type Lab struct {
	Options
	Dir string // all files; removed by Close unless Keep was called

	LAN    *Node // the switches; it has the bridges front and back
	Client *Node
	A, B   *Node // the directors
	C      *Node // the third one; nil without Third
	Real   []*Node
	Router *Node   // with Routed
	Fabric []*Node // the five directors behind it

	prefix    string
	nodes     []*Node
	mu        sync.Mutex
	processes []*Process
	orphans   []int // see adopt
	keep      bool
}

// serial tells the labs of one process apart.
var serial atomic.Int32

// New builds the topology. The folder of its files is made below base.
func New(ctx context.Context, base string, o Options) (*Lab, error) {
	if err := errors.Join(foster(), sweep()); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base, "lab-*")
	if err != nil {
		return nil, err
	}
	// Tests also run programs as other users.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	l := &Lab{Options: o, Dir: dir, prefix: fmt.Sprintf("lab-%d-%d-", os.Getpid(), serial.Add(1))}
	if err := l.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("build the lab: %w", err), l.Close())
	}
	return l, nil
}

// Keep makes Close leave the folder where it is.
func (l *Lab) Keep() { l.keep = true }

// Nodes returns every machine of the lab, without the switches.
func (l *Lab) Nodes() []*Node { return slices.Clone(l.nodes[1:]) }

// Directors returns both directors, or all three.
func (l *Lab) Directors() []*Node {
	if l.C == nil {
		return []*Node{l.A, l.B}
	}
	return []*Node{l.A, l.B, l.C}
}

func (l *Lab) track(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processes = append(l.processes, p)
}

// Close ends every process of the lab and removes it. Nothing of it is left.
func (l *Lab) Close() error {
	l.mu.Lock()
	processes, orphans := slices.Clone(l.processes), slices.Clone(l.orphans)
	l.mu.Unlock()
	for _, p := range slices.Backward(processes) {
		p.Reap()
	}
	bury(orphans)
	inodes := make(map[uint64]bool)
	for _, n := range l.nodes {
		inodes[n.inode] = true
	}
	errs := []error{empty(inodes)}
	buryGuards()
	for _, n := range l.nodes {
		if n.net != nil {
			n.net.Close()
		}
		close(n.calls)
		errs = append(errs, forget(n.netns))
	}
	if !l.keep {
		errs = append(errs, os.RemoveAll(l.Dir))
	}
	return errors.Join(errs...)
}

// node makes a machine.
func (l *Lab) node(name string) (*Node, error) {
	n := &Node{Name: name, Dir: filepath.Join(l.Dir, name), netns: l.prefix + name, lab: l, calls: make(chan func())}
	if err := os.MkdirAll(n.Dir, 0o755); err != nil {
		return nil, err
	}
	l.nodes = append(l.nodes, n)
	if err := n.serve(); err != nil {
		return nil, err
	}
	return n, n.up("lo")
}
