package daemon

import (
	"io"
	"net"
	"time"

	"usher/cmd/usher/internal/api"
)

// Bounds of what clients can have from one server at once. One alone can have half of it,
// see api.Room.
const (
	maxConnections = 512
	maxAnswers     = 16
	maxStreams     = 64
)

// refusal is what one connection too many is told, without anything being read.
const refusal = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\nConnection: close\r\n\r\ntoo many connections\n"

// boundedListener takes so many connections at once, in all and of one client; one more is
// refused at once, so that it is neither kept waiting nor costs memory.
type boundedListener struct {
	net.Listener
	refusal string // what is written to it; "" for nothing, as under TLS
	room    *api.Room
}

func bounded(l net.Listener, refusal string) net.Listener {
	return &boundedListener{Listener: l, refusal: refusal, room: api.NewRoom(maxConnections)}
}

// Accept waits for a connection for which there is room.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if leave := l.room.Enter(c.RemoteAddr().String()); leave != nil {
			return &boundedConn{Conn: c, leave: leave}, nil
		}
		// A fresh socket takes these few bytes without waiting. Whoever does not get them
		// sees the connection end.
		_ = c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = io.WriteString(c, l.refusal)
		_ = c.Close()
	}
}

type boundedConn struct {
	net.Conn
	leave func()
}

// Close makes room.
func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
