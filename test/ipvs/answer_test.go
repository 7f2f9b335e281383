package ipvs

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// answerTCP has a real server say its name on a port, to whoever connects by
// IPv4 or IPv6, and echo what comes until the client closes the connection.
func answerTCP(t *testing.T, n *lab.Node, port int) {
	t.Helper()
	labtest.Serve(t, n, port, func(c net.Conn) {
		if _, err := fmt.Fprintln(c, n.Name); err == nil {
			io.Copy(c, c) //nolint:errcheck // the client misses what is lost
		}
	})
}

// answerUDP has a real server send its name back for every datagram to an address.
func answerUDP(t *testing.T, n *lab.Node, to string) {
	t.Helper()
	answerDatagrams(t, n, to, func([]byte) string { return n.Name })
}

// answerSIP has a real server answer SIP requests, with its name for a reason phrase.
func answerSIP(t *testing.T, n *lab.Node, to string) {
	t.Helper()
	answerDatagrams(t, n, to, func(request []byte) string {
		_, headers, _ := strings.Cut(string(request), "\r\n")
		return "SIP/2.0 200 " + n.Name + "\r\n" + headers
	})
}

func answerDatagrams(t *testing.T, n *lab.Node, to string, answer func([]byte) string) {
	t.Helper()
	var c net.PacketConn
	labtest.Must(t, n.Do(func() (err error) {
		c, err = net.ListenPacket("udp", to)
		return err
	}))
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 2000)
		for {
			got, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			c.WriteTo([]byte(answer(b[:got])), from) //nolint:errcheck // the client misses what is lost
		}
	}()
}

// answerSCTP has a real server say its name to every SCTP association with a VIP.
func answerSCTP(t *testing.T, n *lab.Node, vip netip.AddrPort) {
	t.Helper()
	var fd int
	labtest.Must(t, n.Do(func() (err error) {
		if fd, err = sctp(vip, time.Second); err == nil {
			err = unix.Listen(fd, 16)
		}
		return err
	}))
	var over atomic.Bool
	ended := make(chan struct{})
	t.Cleanup(func() {
		over.Store(true)
		<-ended
		unix.Close(fd)
	})
	go func() {
		defer close(ended)
		for !over.Load() {
			if c, _, err := unix.Accept(fd); err == nil {
				unix.Write(c, []byte(n.Name)) //nolint:errcheck // the client misses what is lost
				unix.Close(c)
			}
		}
	}()
}

// sctp opens a one-to-one SCTP socket of this namespace on an address. Its calls
// give up after the limit.
func sctp(local netip.AddrPort, limit time.Duration) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		return 0, fmt.Errorf("open an SCTP socket: %w", err)
	}
	tv := unix.NsecToTimeval(int64(limit))
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &tv); err != nil {
			return 0, err
		}
	}
	return fd, unix.Bind(fd, &unix.SockaddrInet4{Addr: local.Addr().As4(), Port: int(local.Port())})
}

// patience is how long a client waits for one answer: it need not be short, since
// a packet that is lost is lost.
const patience = 10 * time.Second

// connect opens a TCP connection from one of the client's addresses, or any with
// the zero Addr, and gives the name of the server that took it.
func connect(n *lab.Node, from netip.Addr, to string) (name string, c net.Conn, err error) {
	err = n.Do(func() error {
		d := net.Dialer{Timeout: patience}
		if from.IsValid() {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		if c, err = d.Dial("tcp", to); err != nil {
			return err
		}
		if err = c.SetDeadline(time.Now().Add(patience)); err == nil {
			name, err = bufio.NewReader(c).ReadString('\n')
		}
		if err != nil {
			c.Close()
		}
		return err
	})
	return strings.TrimSpace(name), c, err
}

// names connects as many times from one address and counts who answered.
func names(t *testing.T, n *lab.Node, from netip.Addr, to string, times int) map[string]int {
	t.Helper()
	count := map[string]int{}
	for range times {
		name, c, err := connect(n, from, to)
		if err != nil {
			t.Errorf("%s: %v", to, err)
			return count
		}
		c.Close()
		count[name]++
	}
	return count
}

// datagrams sends a payload from one port again and again and counts who answered.
func datagrams(t *testing.T, n *lab.Node, from netip.Addr, to, payload string, times int) map[string]int {
	t.Helper()
	count := map[string]int{}
	labtest.Must(t, n.Do(func() error {
		d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		c, err := d.Dial("udp", to)
		if err != nil {
			return err
		}
		defer c.Close()
		b := make([]byte, 100)
		for range times {
			if _, err := c.Write([]byte(payload)); err != nil {
				return err
			}
			if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
				return err
			}
			got, err := c.Read(b)
			if err != nil {
				return fmt.Errorf("%s: %w", to, err)
			}
			count[string(b[:got])]++
		}
		return nil
	}))
	return count
}

// associate opens an SCTP association and gives the name of the server.
func associate(n *lab.Node, from, to netip.AddrPort) (name string, err error) {
	err = n.Do(func() error {
		fd, err := sctp(from, patience)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil {
			return fmt.Errorf("SCTP to %s: %w", to, err)
		}
		b := make([]byte, 100)
		got, err := unix.Read(fd, b)
		name = string(b[:max(got, 0)])
		return err
	})
	return name, err
}
