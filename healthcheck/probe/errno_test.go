package probe_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"usher/healthcheck"
	"usher/healthcheck/probe"
)

// askers are the checks that ask a server over the network, one of each way in which
// they do it, with no need of an answer.
func askers() map[string]healthcheck.Check {
	http := func(kind healthcheck.Type, h healthcheck.HTTP) healthcheck.Check {
		return healthcheck.Check{Type: kind, HTTP: &h}
	}
	return map[string]healthcheck.Check{
		"tcp":            {Type: healthcheck.TypeTCP},
		"tcp full":       {Type: healthcheck.TypeTCP, TCP: &healthcheck.TCP{FullConnect: true}},
		"tcp talk":       {Type: healthcheck.TypeTCP, TCP: &healthcheck.TCP{Expect: "x"}},
		"http":           http(healthcheck.TypeHTTP, healthcheck.HTTP{}),
		"http regex":     http(healthcheck.TypeHTTP, healthcheck.HTTP{ExpectBodyRegex: "x"}),
		"http redirects": http(healthcheck.TypeHTTP, healthcheck.HTTP{FollowRedirects: true}),
		"http 2":         http(healthcheck.TypeHTTP, healthcheck.HTTP{Version: "2"}),
		"https":          http(healthcheck.TypeHTTPS, healthcheck.HTTP{}),
		"tls":            {Type: healthcheck.TypeTLS},
		"udp":            {Type: healthcheck.TypeUDP, UDP: &healthcheck.UDP{Payload: []byte("x")}},
		"dns":            {Type: healthcheck.TypeDNS},
		"dns tcp":        {Type: healthcheck.TypeDNS, DNS: &healthcheck.DNS{TCP: true}},
		"smtp":           {Type: healthcheck.TypeSMTP},
		"ping":           {Type: healthcheck.TypePing},
		"grpc":           {Type: healthcheck.TypeGRPC},
		"mysql":          {Type: healthcheck.TypeMySQL},
		"postgres":       {Type: healthcheck.TypePostgres},
		"redis":          {Type: healthcheck.TypeRedis},
	}
}

// refusals are what the kernel may say of a connect, and whether it says something of
// the way to the server (fail) or of this machine alone (inconclusive). Of a socket that
// cannot even be made, all of it is of this machine.
var refusals = []struct {
	errno   unix.Errno
	connect healthcheck.Outcome
}{
	{unix.EACCES, healthcheck.Fail},       // prohibit route, ICMPv6 administratively prohibited
	{unix.EPERM, healthcheck.Fail},        // the firewall's output chain
	{unix.EINVAL, healthcheck.Fail},       // blackhole route
	{unix.ENETUNREACH, healthcheck.Fail},  // no route, throw route, ICMP
	{unix.EHOSTUNREACH, healthcheck.Fail}, // unreachable route, no ARP, ICMP
	{unix.ECONNREFUSED, healthcheck.Fail},
	{unix.ECONNRESET, healthcheck.Fail},
	{unix.ETIMEDOUT, healthcheck.Fail},
	{unix.ENETDOWN, healthcheck.Fail},
	{unix.EHOSTDOWN, healthcheck.Fail},    // ICMP host unknown
	{unix.ENONET, healthcheck.Fail},       // ICMP source host isolated
	{unix.ENOPROTOOPT, healthcheck.Fail},  // ICMP protocol unreachable
	{unix.EOPNOTSUPP, healthcheck.Fail},   // ICMP source route failed
	{unix.EPROTO, healthcheck.Fail},       // ICMPv6 parameter problem
	{unix.EMSGSIZE, healthcheck.Fail},     // ICMP fragmentation needed
	{unix.ENODEV, healthcheck.Fail},       // the route's interface is going
	{unix.EAFNOSUPPORT, healthcheck.Fail}, // a socket of that family could be made
	{unix.EMFILE, healthcheck.Inconclusive},
	{unix.ENFILE, healthcheck.Inconclusive},
	{unix.ENOMEM, healthcheck.Inconclusive},
	{unix.ENOBUFS, healthcheck.Inconclusive},
	{unix.EADDRNOTAVAIL, healthcheck.Inconclusive}, // no port is left
	{unix.EADDRINUSE, healthcheck.Inconclusive},    // bind_port is another's
	{unix.EAGAIN, healthcheck.Inconclusive},        // no port is left for a datagram socket
}

// TestWhoseErrorItIs has the kernel refuse connect, and then socket, with every error
// that it has for them, to every type of check: whatever may be about the way to this
// server is a failure, and what is this machine's alone is not.
func TestWhoseErrorItIs(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), refusedVariable+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the process whose system calls are refused: %v\n%s", err, out)
	}
	var told map[string]refused
	if err := json.Unmarshal(out, &told); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, r := range refusals {
		for kind := range askers() {
			for call, want := range map[string]healthcheck.Outcome{"connect": r.connect, "socket": healthcheck.Inconclusive} {
				key := fmt.Sprintf("%s: %s refused with %s", kind, call, unix.ErrnoName(r.errno))
				got, ok := told[key]
				if !ok {
					t.Errorf("%s: no result", key)
				}
				if got.Outcome != want || got.Reason == "" {
					t.Errorf("%s: %s %q, want %s", key, got.Outcome, got.Reason, want)
				}
			}
		}
	}
}

type refused struct {
	Outcome healthcheck.Outcome
	Reason  string
}

// refusedVariable in the environment makes the test's program the process whose system
// calls are refused: a filter of system calls cannot be taken away again.
const refusedVariable = "USHER_TEST_REFUSED"

func TestMain(m *testing.M) {
	if os.Getenv(refusedVariable) == "" {
		os.Exit(m.Run())
	}
	told := map[string]refused{}
	for _, call := range []struct {
		name   string
		number int
	}{{"connect", unix.SYS_CONNECT}, {"socket", unix.SYS_SOCKET}} {
		for _, r := range refusals {
			// Of several filters that refuse, the one that came last has the word.
			if err := refuse(call.number, r.errno); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			for kind, c := range askers() {
				c.Address, c.Timeout = addr("127.0.0.1:9"), 10*time.Second
				if c.Type == healthcheck.TypePing {
					c.Address = addr("127.0.0.1:0")
				}
				got := probeOnce(c)
				told[fmt.Sprintf("%s: %s refused with %s", kind, call.name, unix.ErrnoName(r.errno))] = refused{got.Outcome, got.Reason}
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

func probeOnce(c healthcheck.Check) healthcheck.Result {
	p := probe.New(probe.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	results := make(chan healthcheck.Result, 1)
	p.Start(ctx, []healthcheck.Job{{ID: 1, Check: &c, Report: func(r healthcheck.Result) { results <- r }}})
	r := <-results
	cancel()
	<-ended
	return r
}

// refuse has the kernel answer a system call of every thread with an error, from now on
// (seccomp(2)).
func refuse(call int, errno unix.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(call), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	thread, _, e := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return fmt.Errorf("seccomp: %w", e)
	}
	if thread != 0 {
		return fmt.Errorf("seccomp: thread %d cannot have the filter", thread)
	}
	return nil
}
