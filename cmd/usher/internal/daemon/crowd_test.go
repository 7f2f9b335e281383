package daemon

import (
	"io"
	"net"
	"strings"
	"testing"
)

// TestOneConnectionTooMany is refused at once, and let in when another has ended.
func TestOneConnectionTooMany(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := bounded(plain, refusal)
	defer l.Close()
	accepted := make(chan net.Conn, maxConnections+1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	var clients []net.Conn
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		return c
	}
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	var held []net.Conn
	for range maxConnections {
		dial()
		held = append(held, <-accepted)
	}
	text, err := io.ReadAll(dial())
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 503 ") {
		t.Errorf("one too many is told %q, %v", text, err)
	}
	held[0].Close()
	held[0].Close() // twice makes room once
	dial()
	c := <-accepted
	if text, err := io.ReadAll(dial()); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 503 ") {
		t.Errorf("closing twice made room for two: %q, %v", text, err)
	}
	for _, h := range append(held[1:], c) {
		h.Close()
	}
}
