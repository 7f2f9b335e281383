package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"usher/test/lab"
)

// servers is how many real servers each service has.
const servers = 10

// plan is what a program is to run.
type plan struct {
	services int
	checks   bool   // a TCP check for each server
	own      bool   // each of them written at its server, with address and port
	forward  string // usher's forward method; "" for nat
	weight   int    // of the last server of the last service; all others have 1
}

// program is what is measured.
type program interface {
	name() string
	// write makes its configuration file.
	write(n *lab.Node, p plan) error
	start(n *lab.Node) (*lab.Process, error)
	// operations gives what it did to the kernel so far, by name; nil if it does not count.
	operations(ctx context.Context, n *lab.Node) (map[string]int, error)
}

// service gives a service's address and port.
func service(i int) (addr string, port int) {
	return fmt.Sprintf("192.168.%d.1", 1+i/250), 1000 + i%250
}

func server(i, j int) string { return fmt.Sprintf("10.%d.%d.%d", i/250, i%250, 1+j) }

func (p plan) weightOf(i, j int) int {
	if i == p.services-1 && j == servers-1 {
		return p.weight
	}
	return 1
}

// every is the interval of checks. It is so long that the rounds after the first
// fall outside the measurement.
const every = 1800

// often is the interval of checks that are written at their servers: a usual one, whose
// probes go on meanwhile.
const often = 60

// interval is that of the checks, in seconds.
func (p plan) interval() int {
	if p.own {
		return often
	}
	return every
}

type keepalived struct{}

func (keepalived) name() string { return "keepalived" }

func (keepalived) write(n *lab.Node, p plan) error {
	var b strings.Builder
	b.WriteString("global_defs {\n\trouter_id bench\n}\n")
	check := ""
	if p.checks {
		check = "\t\tTCP_CHECK {\n\t\t\tconnect_timeout 10\n\t\t\twarmup 0\n\t\t}\n"
	}
	for i := range p.services {
		addr, port := service(i)
		fmt.Fprintf(&b, "virtual_server %s %d {\n\tdelay_loop %d\n\tlb_algo rr\n\tlb_kind NAT\n\tprotocol TCP\n", addr, port, p.interval())
		for j := range servers {
			if p.own {
				check = fmt.Sprintf("\t\tTCP_CHECK {\n\t\t\tconnect_ip %s\n\t\t\tconnect_port 80\n\t\t\tconnect_timeout 10\n\t\t\twarmup 0\n\t\t}\n", server(i, j))
			}
			fmt.Fprintf(&b, "\treal_server %s 80 {\n\t\tweight %d\n%s\t}\n", server(i, j), p.weightOf(i, j), check)
		}
		b.WriteString("}\n")
	}
	_, err := n.WriteFile("bench.conf", b.String())
	return err
}

func (keepalived) start(n *lab.Node) (*lab.Process, error) {
	return n.KeepalivedFile("-C", "-f", n.Dir+"/bench.conf")
}

func (keepalived) operations(context.Context, *lab.Node) (map[string]int, error) { return nil, nil }

type usherProgram struct{ path string }

func (usherProgram) name() string { return "usher" }

func (u usherProgram) write(n *lab.Node, p plan) error {
	_, err := n.WriteFile("bench.hcl", u.text(p))
	return err
}

// text is its configuration.
func (usherProgram) text(p plan) string {
	var b strings.Builder
	b.WriteString("global {\n  state = \"lib/usher\"\n  control = \"run/usher/usher.sock\"\n}\n")
	check, forward := "", p.forward
	if forward == "" {
		forward = "nat"
	}
	switch { // servers count as up until the first probe, as keepalived's do
	case p.own:
		check = "  initial = \"up\"\n"
	case p.checks:
		check = fmt.Sprintf("  initial = \"up\"\n  health_check \"tcp\" {\n    interval = \"%ds\"\n    timeout = \"10s\"\n  }\n", every)
	}
	for i := range p.services {
		addr, port := service(i)
		fmt.Fprintf(&b, "virtual_server \"s%d\" {\n  address = \"%s:%d\"\n  scheduler = \"rr\"\n  forward_method = %q\n%s", i, addr, port, forward, check)
		for j := range servers {
			if p.own {
				fmt.Fprintf(&b, "  real_server \"%[1]s:80\" {\n    weight = %[2]d\n    health_check \"tcp\" {\n      address = \"%[1]s\"\n      port = 80\n      interval = \"%[3]ds\"\n      timeout = \"10s\"\n    }\n  }\n",
					server(i, j), p.weightOf(i, j), p.interval())
				continue
			}
			fmt.Fprintf(&b, "  real_server \"%s:80\" { weight = %d }\n", server(i, j), p.weightOf(i, j))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// start runs it as keepalived is: by itself, with its files in the node's folder.
func (u usherProgram) start(n *lab.Node) (*lab.Process, error) {
	return n.Start("usher", u.path, "run", "-c", "bench.hcl")
}

// operations reads the metric usher_ipvs_sync_operations_total.
func (usherProgram) operations(ctx context.Context, n *lab.Node) (map[string]int, error) {
	metrics, err := n.Ask(ctx, "/metrics") // which takes long of ten thousand services in an emulated machine
	if err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(metrics)) {
		rest, ok := strings.CutPrefix(line, `usher_ipvs_sync_operations_total{op="`)
		if !ok {
			continue
		}
		op, value, _ := strings.Cut(rest, `"} `)
		f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return nil, fmt.Errorf("metric %q: %w", line, err)
		}
		counts[op] = int(f)
	}
	return counts, nil
}

// difference names the operations between two counts.
func difference(before, after map[string]int) string {
	if after == nil {
		return "not counted"
	}
	var parts []string
	for _, op := range []string{"add_service", "edit_service", "delete_service", "add_destination", "edit_destination", "delete_destination"} {
		if n := after[op] - before[op]; n != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, op))
		}
	}
	if parts == nil {
		return "none"
	}
	return strings.Join(parts, ", ")
}
