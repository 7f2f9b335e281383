package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The servers' ports. One listener serves all of 127.0.0.0/8, so that every check
// has an address of its own.
const (
	tcpPort    = 9999
	httpPort   = 8080
	victimPort = 9998 // the server that dies
)

// victim is its address.
const victim = "127.200.0.1"

// serve is the process that plays the TCP servers.
func serve(ctx context.Context) error {
	l, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", tcpPort))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	fmt.Println("ready")
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		conn.Close()
	}
}

// world is the namespace with its servers.
type world struct {
	options
	dir     string
	preload string // makes keepalived's calls to IPVS succeed; "" where there is IPVS
	servers []*exec.Cmd
}

func newWorld(ctx context.Context, o options) (*world, error) {
	dir, err := os.MkdirTemp("", "usher-bench-")
	if err != nil {
		return nil, err
	}
	w := &world{options: o, dir: dir}
	if err := w.begin(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) begin(ctx context.Context) error {
	if out, err := exec.CommandContext(ctx, "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link set lo up: %w: %s", err, out)
	}
	if err := os.WriteFile("/proc/sys/net/core/somaxconn", []byte("16384"), 0); err != nil {
		return err
	}
	if err := w.stub(ctx); err != nil {
		return err
	}
	listener := exec.Command("/proc/self/exe")
	listener.Env = append(os.Environ(), serving+"=1")
	if err := w.start(listener); err != nil {
		return err
	}
	conf := filepath.Join(w.dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, w.dir, w.dir, httpPort), 0o600); err != nil {
		return err
	}
	if err := w.start(exec.Command("nginx", "-c", conf)); err != nil {
		return err
	}
	for _, port := range []int{tcpPort, httpPort} {
		if err := await(ctx, fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			return err
		}
	}
	return nil
}

const nginxConf = `
worker_processes 1;
daemon off;
master_process off;
pid %s/nginx.pid;
error_log %s/nginx.log;
events { worker_connections 16384; }
http {
    access_log off;
    server {
        listen 0.0.0.0:%d backlog=16384;
        location / { return 200 "ok\n"; }
    }
}
`

func (w *world) start(cmd *exec.Cmd) error {
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	w.servers = append(w.servers, cmd)
	return nil
}

func await(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s: %w", address, err)
		case <-ticker.C:
		}
	}
}

// stub builds the library for keepalived where the kernel has no IPVS.
func (w *world) stub(ctx context.Context) error {
	if _, err := os.Stat("/proc/net/ip_vs"); err == nil || !strings.Contains(strings.Join(w.programs, ","), "keepalived") {
		return nil
	}
	source, library := filepath.Join(w.dir, "stub.c"), filepath.Join(w.dir, "stub.so")
	if err := os.WriteFile(source, stubSource, 0o600); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "gcc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl").CombinedOutput(); err != nil {
		return fmt.Errorf("gcc: %w: %s", err, out)
	}
	w.preload = library
	return nil
}

func (w *world) close() {
	for _, cmd := range w.servers {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	os.RemoveAll(w.dir)
}
