package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed ipvs_stub.c.txt
var stubSource []byte

// subject is a program that is measured.
type subject struct {
	name  string
	cmd   *exec.Cmd
	pid   int // of the process that checks
	mu    sync.Mutex
	seen  map[string]time.Time // lines about the victim
	ups   int
	downs int          // servers, but for the victim, that went down
	stats chan figures // what usher says of itself
	done  chan struct{}
	log   string
}

// figures are those of `usher check --stats` that a soak looks at.
type figures struct {
	Goroutines int    `json:"goroutines"`
	Started    uint64 `json:"started"`
	Late       uint64 `json:"late"`
	Skipped    uint64 `json:"skipped"`
}

// poolSize is how many servers are in one virtual server.
const poolSize = 100

// address is the nth server's.
func address(n int) string { return fmt.Sprintf("127.%d.%d.%d", 1+n>>16, n>>8&255, n&255) }

func port(kind string) int {
	if kind == "http" {
		return httpPort
	}
	return tcpPort
}

// usherConf is usher's configuration; the last server is the victim.
func usherConf(s set) []byte {
	var b bytes.Buffer
	b.WriteString("global {\n  http = \"\"\n}\n")
	kind, extra := s.kind, ""
	if kind == "full" {
		kind, extra = "tcp", "    half_open = false\n"
	}
	check := fmt.Sprintf("  health_check %q {\n    interval = \"1s\"\n    timeout  = \"1s\"\n    rise     = 1\n    fall     = 1\n%s  }\n", kind, extra)
	for first := 0; first < s.n; first += poolSize {
		fmt.Fprintf(&b, "virtual_server \"v%d\" {\n  address = \"10.0.%d.1:80\"\n  forward_method = \"nat\"\n%s", first, first/poolSize, check)
		for n := first; n < min(first+poolSize, s.n); n++ {
			fmt.Fprintf(&b, "  real_server \"%s:%d\" {}\n", address(n), port(s.kind))
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "virtual_server \"victim\" {\n  address = \"10.1.0.1:80\"\n  forward_method = \"nat\"\n%s  real_server \"%s:%d\" {}\n}\n",
		strings.Replace(check, kind, "tcp", 1), victim, victimPort)
	return b.Bytes()
}

// keepalivedConf is the same for keepalived.
func keepalivedConf(s set) []byte {
	tcp := "      TCP_CHECK {\n        connect_timeout 1\n        retry 0\n        warmup 0\n      }\n"
	check := tcp
	if s.kind == "http" {
		check = "      HTTP_GET {\n        url {\n          path /\n          status_code 200\n        }\n        connect_timeout 1\n        retry 0\n        warmup 0\n      }\n"
	}
	var b bytes.Buffer
	head := "virtual_server %s 80 {\n  delay_loop 1\n  lvs_sched rr\n  lvs_method NAT\n  protocol TCP\n"
	b.WriteString("global_defs {\n  router_id bench\n}\n")
	for first := 0; first < s.n; first += poolSize {
		fmt.Fprintf(&b, head, fmt.Sprintf("10.0.%d.1", first/poolSize))
		for n := first; n < min(first+poolSize, s.n); n++ {
			fmt.Fprintf(&b, "  real_server %s %d {\n%s  }\n", address(n), port(s.kind), check)
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, head, "10.1.0.1")
	fmt.Fprintf(&b, "  real_server %s %d {\n%s  }\n}\n", victim, victimPort, tcp)
	return b.Bytes()
}

// launch starts a program on a set.
func (w *world) launch(ctx context.Context, program string, s set) (*subject, error) {
	sub := &subject{name: program, seen: make(map[string]time.Time), stats: make(chan figures, 100), done: make(chan struct{}), log: filepath.Join(w.dir, program+".log")}
	file := filepath.Join(w.dir, program+".conf")
	text := usherConf(s)
	if program == "keepalived" {
		text = keepalivedConf(s)
		sub.cmd = exec.CommandContext(ctx, "keepalived", "-C", "-n", "-l", "-D", "-f", file,
			"-p", filepath.Join(w.dir, "ka.pid"), "-c", filepath.Join(w.dir, "ka-checkers.pid"))
		if w.preload != "" {
			sub.cmd.Env = append(os.Environ(), "LD_PRELOAD="+w.preload)
		}
	} else {
		file += ".hcl"
		sub.cmd = exec.CommandContext(ctx, w.usher, "check", "-c", file, "--json", "--stats")
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	out, err := sub.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	sub.cmd.Stderr = sub.cmd.Stdout
	if program == "keepalived" { // it logs to stderr
		sub.cmd.Stdout, sub.cmd.Stderr = nil, nil
		if out, err = sub.cmd.StderrPipe(); err != nil {
			return nil, err
		}
	}
	sub.cmd.Cancel = func() error { return sub.cmd.Process.Signal(syscall.SIGTERM) }
	if err := sub.cmd.Start(); err != nil {
		return nil, err
	}
	sub.pid = sub.cmd.Process.Pid
	go sub.read(out)
	return sub, nil
}

// read notes what the program says of servers that come up, and of the victim.
func (s *subject) read(out io.Reader) {
	defer close(s.done)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		now, line := time.Now(), lines.Text()
		if rest, ok := strings.CutPrefix(line, `{"stats":`); ok {
			var f figures
			if json.Unmarshal([]byte(strings.TrimSuffix(rest, "}")), &f) == nil {
				select {
				case s.stats <- f:
				default:
				}
			}
			continue
		}
		up := strings.Contains(line, `"state":"up"`) || strings.Contains(line, "success.") || strings.Contains(line, "succeed on service")
		down := strings.Contains(line, `"state":"down"`) && !strings.Contains(line, "not probed") || strings.Contains(line, "Removing service")
		s.mu.Lock()
		if up {
			s.ups++
		}
		if down && !strings.Contains(line, victim) {
			s.downs++
		}
		if strings.Contains(line, victim) && (up || down) {
			if down {
				s.seen["down"] = now
			} else {
				s.seen["up"] = now
			}
		}
		s.mu.Unlock()
	}
}

func (s *subject) when(what string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[what]
}

func (s *subject) lost() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.downs
}

func (s *subject) up() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ups
}

// settleWithin is how long a program may take until it has seen every server up: it
// falls behind where others keep the machine busy.
const settleWithin = 5 * time.Minute

// settle awaits that every server has been seen up, and finds the process that checks.
func (s *subject) settle(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for s.up() < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %d of %d servers up after %s", s.name, s.up(), n, settleWithin)
		case <-s.done:
			return fmt.Errorf("%s ended with %d of %d servers up", s.name, s.up(), n)
		case <-ticker.C:
		}
	}
	if s.name == "keepalived" { // a parent that watches, and the checker
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", s.pid, s.pid))
		if err != nil {
			return err
		}
		if _, err := fmt.Sscan(string(text), &s.pid); err != nil {
			return fmt.Errorf("keepalived has no checker process: %w", err)
		}
	}
	return nil
}

func (s *subject) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	s.cmd.Wait()
}
