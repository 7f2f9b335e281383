package loop

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"usher/healthcheck/internal/deadline"
	"usher/healthcheck/internal/timers"
)

// conn is one connection, or a descriptor that waits for its next.
type conn struct {
	timer    timers.Timer[*conn]
	fd       int
	six      bool
	pooled   bool // has no options of its own: serves again
	busy     bool
	fresh    bool // of the batch that is being begun
	watched  bool // in the epoll set
	interest uint32
	phase    Phase
	speaks   bool
	timeout  deadline.Timeout
	out      []byte // still to be sent
	exchange Exchange
	to       address
}

// idleMax is how many descriptors of each family are kept for later probes.
const idleMax = 256

// launch begins a connection.
func (l *Loop) launch(d *Dial) {
	c, err := l.socket(d)
	if err != nil {
		d.Exchange.Ended(Connecting, false, err)
		return
	}
	c.busy, c.fresh, c.phase, c.exchange = true, true, Connecting, d.Exchange
	c.speaks = d.Speaks
	c.timer.Value = c
	l.timers.Set(&c.timer, c.timeout.Begin(time.Now(), d.Timeout))
	if d.HalfOpen {
		// Every time anew: a disconnect forgets it.
		if err := setInt(c.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0); err != nil {
			l.end(c, during("setsockopt", err))
			return
		}
	}
	if err := c.to.connect(c.fd, d.To); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		l.end(c, during("connect", err))
		return
	}
	l.fresh = append(l.fresh, c)
}

// socket finds a descriptor at rest, or makes one.
func (l *Loop) socket(d *Dial) (*conn, error) {
	family, list := unix.AF_INET, &l.idle[0]
	six := !d.To.Addr().Unmap().Is4()
	if six {
		family, list = unix.AF_INET6, &l.idle[1]
	}
	plain := d.plain()
	if n := len(*list); plain && n > 0 {
		c := (*list)[n-1]
		*list = (*list)[:n-1]
		return c, nil
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, during("socket", err)
	}
	var c *conn
	if n := len(l.spare); n > 0 {
		c = l.spare[n-1]
		l.spare = l.spare[:n-1]
	} else {
		c = new(conn)
	}
	*c = conn{fd: fd, six: six, pooled: plain}
	if err := c.options(d); err != nil {
		unix.Close(fd)
		return nil, err
	}
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	l.conns[fd] = c
	return c, nil
}

// options sets what the connection is to have.
func (c *conn) options(d *Dial) error {
	// A close that was never connected through resets too.
	if err := unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return during("setsockopt", err)
	}
	if d.Mark != 0 {
		if err := setInt(c.fd, unix.SOL_SOCKET, unix.SO_MARK, int(d.Mark)); err != nil {
			return during("setsockopt", err)
		}
	}
	if d.Interface != "" {
		if err := unix.BindToDevice(c.fd, d.Interface); err != nil {
			return during("setsockopt", err)
		}
	}
	if !d.Bind.IsValid() {
		return nil
	}
	if d.Bind.Port() == 0 {
		// The port is chosen at connect, where it need be unique for the peer only.
		if err := setInt(c.fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return during("setsockopt", err)
		}
	} else if err := setInt(c.fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return during("setsockopt", err)
	}
	return during("bind", c.to.bind(c.fd, d.Bind))
}

// A batch is looked at so often before what is left of it goes to the epoll set: once
// for the connections, once for answers that are there by then, and again after naps,
// if so many are left that these cost less than a place in the set and a wake for each.
const (
	looks   = 4
	atOnce  = 2
	fewLeft = 3
)

// look polls the batch that was just begun: near servers have answered by now or will
// have in a moment, and what has ended needs no place in the epoll set.
func (l *Loop) look() {
	for i := range looks {
		if i >= atOnce {
			if len(l.fresh) <= fewLeft {
				break
			}
			nap()
		}
		l.polls = l.polls[:0]
		for _, c := range l.fresh {
			l.polls = append(l.polls, unix.PollFd{Fd: int32(c.fd), Events: c.awaits()})
		}
		if len(l.polls) == 0 {
			return
		}
		poll(l.polls) // an error leaves no events, and epoll finds out
		open := l.fresh[:0]
		for i, c := range l.fresh {
			if l.polls[i].Revents != 0 {
				l.ready(c, l.polls[i].Revents&unix.POLLERR != 0)
			}
			if c.busy {
				open = append(open, c)
			}
		}
		clear(l.fresh[len(open):])
		l.fresh = open
	}
	for _, c := range l.fresh {
		c.fresh = false
		l.watch(c)
	}
	clear(l.fresh)
	l.fresh = l.fresh[:0]
}

// awaits is what a connection waits for; the bits of poll and epoll are the same.
func (c *conn) awaits() int16 {
	if c.phase == Receiving {
		return unix.POLLIN | unix.POLLRDHUP
	}
	return unix.POLLOUT
}

// watch has the epoll set tell of what a connection waits for. While its batch is
// looked at that can wait.
func (l *Loop) watch(c *conn) {
	if c.fresh {
		return
	}
	interest := uint32(c.awaits())
	if c.phase != Receiving {
		// What is awaited is tried until it has to wait again, so one word is enough;
		// and a descriptor that is ready without having come further spins nothing.
		interest |= unix.EPOLLET
	}
	if c.watched && c.interest == interest {
		return
	}
	op := unix.EPOLL_CTL_ADD
	if c.watched {
		op = unix.EPOLL_CTL_MOD
	}
	if err := epollControl(l.epoll, op, c.fd, interest); err != nil {
		l.end(c, during("epoll_ctl", err))
		return
	}
	c.watched, c.interest = true, interest
}

// ready goes on with a connection on which something happened, perhaps an error.
func (l *Loop) ready(c *conn, failed bool) {
	switch c.phase {
	case Connecting:
		if failed && l.failed(c) {
			return
		}
		l.connected(c)
	case Sending:
		l.send(c)
	case Receiving:
		l.receive(c)
	}
}

// failed ends a connection attempt that the network has refused. Where its word comes
// while the connect is still on its way, from this machine's own firewall or IPVS, the
// kernel keeps it as a soft error (tcp(7), "Error handling") and goes on asking, with
// the first repeat a second later; anywhere else the same word ends the attempt at once.
func (l *Loop) failed(c *conn) bool {
	err := pendingError(c.fd)
	if err != nil {
		l.end(c, err)
	}
	return err != nil
}

func (l *Loop) connected(c *conn) {
	if c.speaks {
		if c.out == nil {
			c.out = c.exchange.Connected(0)
		}
		l.send(c) // and if it does not stand yet, or never will, that says so
		return
	}
	if err := tcpInfo(c.fd, &l.info); err != nil {
		l.end(c, during("getsockopt", err))
		return
	}
	const established, synSent = 1, 2
	switch l.info.State {
	case established:
	case synSent:
		l.watch(c)
		return
	default:
		if err := pendingError(c.fd); err != nil {
			l.end(c, err)
			return
		}
		// Connected and closed by the server at once: CLOSE_WAIT, and there may be
		// an answer to read.
	}
	// The kernel's own measurement: the loop may have looked later.
	c.out = c.exchange.Connected(time.Duration(l.info.Rtt) * time.Microsecond)
	if c.out == nil {
		l.end(c, nil)
		return
	}
	c.phase = Sending
	l.send(c)
}

func (l *Loop) send(c *conn) {
	for len(c.out) > 0 {
		n, err := send(c.fd, c.out)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			l.watch(c)
			return
		case err != nil:
			l.end(c, during("write", err))
			return
		default:
			c.phase, c.out = Sending, c.out[n:]
		}
	}
	c.phase = Receiving
	l.watch(c)
}

// receiveMost is how much is read of one connection before the others have their turn.
const receiveMost = 16

func (l *Loop) receive(c *conn) {
	for range receiveMost {
		n, err := read(c.fd, l.buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			l.end(c, during("read", err))
			return
		}
		if c.exchange.Received(l.buffer[:n], n == 0) || n == 0 {
			l.end(c, nil)
			return
		}
		if n < len(l.buffer) {
			return // level-triggered: more will be told
		}
	}
}

// end finishes a connection and puts its descriptor to rest.
func (l *Loop) end(c *conn, err error) {
	exchange, phase, lost := c.exchange, c.phase, c.timeout.Lost(time.Now())
	l.timers.Remove(&c.timer)
	c.busy, c.exchange, c.out = false, nil, nil
	l.rest(c, err == nil)
	exchange.Ended(phase, lost, err)
}

// rest resets a connection and keeps its descriptor, if it is sound and plain.
func (l *Loop) rest(c *conn, sound bool) {
	list := &l.idle[0]
	if c.six {
		list = &l.idle[1]
	}
	if sound && c.pooled && len(*list) < idleMax && l.unwatch(c) && disconnect(c.fd) == nil {
		*list = append(*list, c)
		return
	}
	l.conns[c.fd] = nil
	unix.Close(c.fd) // takes it out of the epoll set, and resets
	l.spare = append(l.spare, c)
}

func (l *Loop) unwatch(c *conn) bool {
	if !c.watched {
		return true
	}
	c.watched = false
	return epollControl(l.epoll, unix.EPOLL_CTL_DEL, c.fd, 0) == nil
}
