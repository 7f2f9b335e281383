package loop_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"usher/healthcheck/probe/loop"
)

// talk is an exchange that sends text and waits for a line.
type talk struct {
	send  string
	heard strings.Builder
	phase loop.Phase
	lost  bool
	err   error
	rtt   time.Duration
	done  func()
}

func (x *talk) Connected(rtt time.Duration) []byte {
	x.rtt = rtt
	if x.send == "" {
		return nil
	}
	return []byte(x.send)
}

func (x *talk) Received(b []byte, end bool) bool {
	x.heard.Write(b)
	return end || strings.Contains(x.heard.String(), "\n")
}

func (x *talk) Ended(phase loop.Phase, lost bool, err error) {
	x.phase, x.lost, x.err = phase, lost, err
	x.done()
}

func running(t *testing.T) *loop.Loop {
	t.Helper()
	l := loop.New()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

// all starts the exchanges to one address and awaits their end.
func all(l *loop.Loop, to netip.AddrPort, timeout time.Duration, half bool, list ...*talk) {
	var wg sync.WaitGroup
	var dials []loop.Dial
	for _, x := range list {
		wg.Add(1)
		x.done = wg.Done
		dials = append(dials, loop.Dial{To: to, HalfOpen: half, Timeout: timeout, Exchange: x})
	}
	l.Start(dials)
	wg.Wait()
}

func listen(t *testing.T) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

// TestHalfOpenNeverWakesAccept is what half-open is for; and the full connect that
// follows shows that the listener would have heard.
func TestHalfOpenNeverWakesAccept(t *testing.T) {
	server, to := listen(t)
	accepted := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			accepted <- struct{}{}
			conn.Close()
		}
	}()
	l := running(t)
	list := make([]*talk, 50)
	for i := range list {
		list[i] = new(talk)
	}
	for range 3 { // descriptors are used again
		all(l, to, 30*time.Second, true, list...)
	}
	for _, x := range list {
		if x.err != nil || x.rtt <= 0 {
			t.Fatalf("half-open: %v, handshake %s", x.err, x.rtt)
		}
	}
	full := new(talk)
	all(l, to, 30*time.Second, false, full)
	<-accepted
	select {
	case <-accepted:
		t.Error("a half-open connection was accepted")
	default:
	}
	if full.err != nil {
		t.Error(full.err)
	}
}

// TestNoTimeWait: connections end with a reset.
func TestNoTimeWait(t *testing.T) {
	server, to := listen(t)
	before := timeWaits(t, to.Port()) // the port may have been another program's a minute ago
	ended := make(chan struct{}, 40)
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { ended <- struct{}{} }()
				defer conn.Close()
				b := make([]byte, 16)
				conn.Read(b)
				conn.Write([]byte("hello\n"))
				conn.Read(b) // the reset
			}()
		}
	}()
	l := running(t)
	var list []*talk
	for range 20 {
		list = append(list, &talk{send: "hi\n"}, &talk{})
	}
	all(l, to, 30*time.Second, false, list...)
	for _, x := range list {
		if x.err != nil || x.send != "" && x.heard.String() != "hello\n" {
			t.Fatalf("%q: %v, heard %q", x.send, x.err, x.heard.String())
		}
	}
	for range list {
		<-ended // only now is there a TIME_WAIT of a connection that ended without a reset
	}
	for line := range timeWaits(t, to.Port()) {
		if !before[line] {
			t.Fatalf("TIME_WAIT: %s", line)
		}
	}
}

// timeWaits are the connections in TIME_WAIT with a port at either end, by their addresses.
func timeWaits(t *testing.T, port uint16) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		const timeWait = "06"
		f := strings.Fields(line)
		end := ":" + strings.ToUpper(hex16(port))
		if len(f) > 3 && f[3] == timeWait && (strings.HasSuffix(f[1], end) || strings.HasSuffix(f[2], end)) {
			found[f[1]+" "+f[2]] = true
		}
	}
	return found
}

func hex16(n uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>12], digits[n>>8&15], digits[n>>4&15], digits[n&15]})
}

func TestErrors(t *testing.T) {
	server, to := listen(t)
	var held []net.Conn
	var mu sync.Mutex
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, conn) // and never a word
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range held {
			conn.Close()
		}
	})
	l := running(t)
	refused := new(talk)
	all(l, netip.MustParseAddrPort("127.0.0.1:1"), time.Second, true, refused)
	if !errors.Is(refused.err, syscall.ECONNREFUSED) || refused.phase != loop.Connecting {
		t.Errorf("refused: %v in phase %d", refused.err, refused.phase)
	}
	silent := &talk{send: "hi"}
	begun := time.Now()
	for all(l, to, 100*time.Millisecond, false, silent); silent.lost; {
		begun = time.Now() // this machine is busy
		all(l, to, 100*time.Millisecond, false, silent)
	}
	if !errors.Is(silent.err, loop.ErrTimeout) || silent.phase != loop.Receiving {
		t.Errorf("silent: %v in phase %d", silent.err, silent.phase)
	}
	if took := time.Since(begun); took < 100*time.Millisecond || took > 10*time.Second {
		t.Errorf("a timeout of 100ms took %s", took)
	}
	again := &talk{}
	all(l, to, 30*time.Second, true, again)
	if again.err != nil {
		t.Errorf("after errors: %v", again.err)
	}
}

// TestLongAnswerInPieces reads more than one buffer.
func TestLongAnswerInPieces(t *testing.T) {
	server, to := listen(t)
	long := strings.Repeat("x", 1<<20) + "\n"
	go func() {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Read(make([]byte, 16))
		conn.Write([]byte(long))
		conn.Read(make([]byte, 16))
	}()
	x := &talk{send: "go"}
	all(running(t), to, 10*time.Second, false, x)
	if x.err != nil || x.heard.String() != long {
		t.Errorf("%v, %d bytes of %d", x.err, x.heard.Len(), len(long))
	}
}

func TestStoppedLoopAnswersEverybody(t *testing.T) {
	l := loop.New()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	ended := make(chan error, 2)
	go func() { done <- l.Run(ctx) }()
	server, to := listen(t)
	go func() {
		conn, err := server.Accept()
		if err == nil {
			cancel()
			conn.Read(make([]byte, 16))
			conn.Read(make([]byte, 16))
			conn.Close()
		}
	}()
	x := &talk{send: "hi"}
	x.done = func() { ended <- x.err }
	l.Start([]loop.Dial{{To: to, Timeout: time.Hour, Exchange: x}})
	if err := <-ended; !errors.Is(err, loop.ErrStopped) {
		t.Errorf("under way: %v, want %v", err, loop.ErrStopped)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	l.Start([]loop.Dial{{To: to, Timeout: time.Hour, Exchange: x}})
	if err := <-ended; !errors.Is(err, loop.ErrStopped) {
		t.Errorf("afterwards: %v, want %v", err, loop.ErrStopped)
	}
}
