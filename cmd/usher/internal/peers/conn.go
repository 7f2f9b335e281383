package peers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"

	"usher/cmd/usher/internal/peers/share"
)

// maxStream bounds a message on a connection, in bytes: a state with its members.
const maxStream = share.MaxMessage + 64<<10

// errRefused is what memberlist reads where the guard refuses a message.
var errRefused = errors.New("peers: refused")

// conn is a connection of which memberlist reads one message, the whole of which was
// looked at before.
type conn struct {
	net.Conn
	transport *transport
	source    netip.AddrPort
	came      bool // from there; else it was made here
	class     int  // where it is counted
	closing   sync.Once

	loaded bool
	buf    bytes.Reader
	err    error
}

// Read gives the message, which is read and looked at whole the first time.
func (c *conn) Read(p []byte) (int, error) {
	if !c.transport.guard.encrypted() {
		return c.Conn.Read(p) // loopback
	}
	if err := c.load(); err != nil {
		return 0, err
	}
	return c.buf.Read(p)
}

// Close closes it.
func (c *conn) Close() error {
	err := net.ErrClosed
	c.closing.Do(func() {
		err = c.Conn.Close()
		c.transport.leave(c)
	})
	return err
}

// load reads the message once.
func (c *conn) load() error {
	if c.loaded || !c.transport.guard.encrypted() {
		return c.err
	}
	c.loaded = true
	text, reason, err := c.message()
	if reason != "" {
		c.transport.guard.refuse(reason, c.source, 1)
		err = errRefused
	}
	c.err = err
	c.buf.Reset(text)
	return err
}

// message reads an encrypted message, and gives it as it came.
func (c *conn) message() (whole []byte, reason string, err error) {
	var head [5]byte
	if n, err := io.ReadFull(c.Conn, head[:]); err != nil {
		if n == 0 {
			return nil, "", err // a check of the port, or one that is cut off
		}
		if head[0] != kindEncrypted {
			return nil, reasonKey, nil
		}
		return nil, "", err
	}
	if head[0] != kindEncrypted {
		return nil, reasonKey, nil
	}
	size := int64(binary.BigEndian.Uint32(head[1:]))
	if size > maxStream {
		return nil, reasonGiant, nil
	}
	// What is claimed takes room of all, and memory only as it comes.
	if !c.transport.room.take(size) {
		return nil, reasonBusy, nil
	}
	defer c.transport.room.give(size)
	b := bytes.NewBuffer(head[:])
	if _, err := io.CopyN(b, c.Conn, size); err != nil {
		return nil, "", err
	}
	text := c.transport.guard.open(b.Bytes()[5:], head[:])
	if text == nil {
		return nil, reasonKey, nil
	}
	if reason := streamed(text); reason != "" {
		return nil, reason, nil
	}
	if !c.transport.bytes.all(len(text)) {
		return nil, reasonFlood, nil
	}
	return b.Bytes(), "", nil
}

// room is the memory for messages that come.
type room struct {
	mu   sync.Mutex
	left int64
}

// newRoom has room for two of the largest messages, and many of those that there are.
func newRoom() *room { return &room{left: 2*maxStream + 1<<20} }

func (r *room) take(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left < n {
		return false
	}
	r.left -= n
	return true
}

func (r *room) give(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += n
}
