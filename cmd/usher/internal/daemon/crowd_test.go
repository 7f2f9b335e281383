package daemon

import (
	"io"
	"net"
	"strings"
	"testing"
)

// crowd has clients at a bounded listener.
type crowd struct {
	t        *testing.T
	listener net.Listener
	accepted chan net.Conn
	clients  []net.Conn
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, listener: bounded(plain, refusal), accepted: make(chan net.Conn, maxConnections+1)}
	go func() {
		defer close(c.accepted)
		for {
			conn, err := c.listener.Accept()
			if err != nil {
				return
			}
			c.accepted <- conn
		}
	}()
	t.Cleanup(func() {
		c.listener.Close()
		for conn := range c.accepted {
			conn.Close()
		}
		for _, conn := range c.clients {
			conn.Close()
		}
	})
	return c
}

// dial connects from an address of loopback.
func (c *crowd) dial(from string) net.Conn {
	c.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", c.listener.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	c.clients = append(c.clients, conn)
	return conn
}

// enter connects and is let in.
func (c *crowd) enter(from string) net.Conn {
	c.t.Helper()
	c.dial(from)
	return <-c.accepted
}

// refused connects and is not.
func (c *crowd) refused(from, why string) {
	c.t.Helper()
	if text, err := io.ReadAll(c.dial(from)); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 503 ") {
		c.t.Errorf("%s: %s is told %q, %v", why, from, text, err)
	}
}

// TestOneConnectionTooMany is refused at once, and let in when another has ended; and one
// client alone cannot have so many that there is none for another.
func TestOneConnectionTooMany(t *testing.T) {
	c := newCrowd(t)
	var held []net.Conn
	for range maxConnections / 2 {
		held = append(held, c.enter("127.0.0.1"))
	}
	c.refused("127.0.0.1", "one client has half of all")
	held[0].Close()
	held[0].Close() // twice makes room once
	held[0] = c.enter("127.0.0.1")
	c.refused("127.0.0.1", "closing twice made room for two")
	other := c.enter("127.0.0.2")
	other.Close()
	for _, h := range held {
		h.Close()
	}
}

// TestFullHouse: many clients can take all that there is, and no more.
func TestFullHouse(t *testing.T) {
	c := newCrowd(t)
	var held []net.Conn
	for i := range maxConnections { // an address for each: none has as many as are free
		held = append(held, c.enter(net.IPv4(127, 0, byte(1+i/250), byte(1+i%250)).String()))
	}
	c.refused("127.0.9.9", "all is taken")
	held[0].Close()
	held[0] = c.enter("127.0.9.9")
	for _, h := range held {
		h.Close()
	}
}
