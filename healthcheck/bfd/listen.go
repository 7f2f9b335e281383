package bfd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// retry is how long hear waits before it tries again to open its sockets.
const retry = time.Second

// hear receives the packets of all sessions, for as long as there are any, until
// ctx ends. It opens nothing while there is no session.
func (e *Engine) hear(ctx context.Context) {
	for {
		var again <-chan time.Time
		if e.wanted() {
			err := e.listen(ctx)
			if ctx.Err() != nil {
				return
			}
			e.hears(time.Now(), err)
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-e.first:
		case <-again:
		}
	}
}

func (e *Engine) wanted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sessions) > 0
}

// listen serves both families until ctx ends or a socket fails.
func (e *Engine) listen(ctx context.Context) error {
	v4, err := open(ctx, "udp4", port)
	if err != nil {
		return err
	}
	defer v4.conn.Close()
	all := []*receiver{v4}
	v6, err := open(ctx, "udp6", port)
	switch {
	case err == nil:
		defer v6.conn.Close()
		all = append(all, v6)
	case !errors.Is(err, syscall.EAFNOSUPPORT): // a machine without IPv6
		return err
	}
	e.receiveBy(all)
	defer e.receiveBy(nil)
	e.hears(time.Now(), nil)
	g, ctx := errgroup.WithContext(ctx)
	for _, r := range all {
		g.Go(func() error {
			defer context.AfterFunc(ctx, func() { r.conn.Close() })()
			return e.serve(r)
		})
	}
	return g.Wait()
}

// receiveBy makes sockets those that drain empties.
func (e *Engine) receiveBy(all []*receiver) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.receivers = all
}

// receiver is the socket of a family. It is read under the engine's lock alone, so that
// whoever has the lock and finds it empty knows of every packet that has come.
type receiver struct {
	conn   net.PacketConn
	raw    syscall.RawConn
	ipv6   bool
	b, oob []byte
}

func open(ctx context.Context, network string, port int) (*receiver, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, network, ":"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("bfd: cannot listen on UDP port %d (does another BFD daemon run?): %w", port, err)
	}
	r := &receiver{conn: conn, ipv6: network == "udp6", b: make([]byte, 256), oob: make([]byte, 256)}
	if err := r.prepare(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("bfd: receive TTL and interface: %w", err)
	}
	return r, nil
}

func (r *receiver) prepare() (err error) {
	if r.raw, err = r.conn.(syscall.Conn).SyscallConn(); err != nil {
		return err
	}
	if r.ipv6 {
		return ipv6.NewPacketConn(r.conn).SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagInterface|ipv6.FlagDst, true)
	}
	return ipv4.NewPacketConn(r.conn).SetControlMessage(ipv4.FlagTTL|ipv4.FlagInterface|ipv4.FlagDst, true)
}

// serve takes packets in as they come, until the socket is closed or fails.
func (e *Engine) serve(r *receiver) error {
	var failed error
	err := r.raw.Read(func(fd uintptr) (done bool) {
		for more := true; more && failed == nil; {
			e.mu.Lock()
			more, failed = e.empty(r, int(fd), time.Now())
			e.mu.Unlock()
		}
		return failed != nil
	})
	return errors.Join(failed, err)
}

// drain takes in what has come and is not read yet, under the lock.
func (e *Engine) drain(now time.Time) {
	for _, r := range e.receivers {
		// What fails here fails in serve as well, which tells of it.
		_ = r.raw.Control(func(fd uintptr) { _, _ = e.empty(r, int(fd), now) })
	}
}

// batch bounds how many packets are taken in at once: sending must not wait for a flood.
const batch = 256

// empty reads a socket until there is nothing in it, or says that there may be more.
func (e *Engine) empty(r *receiver, fd int, now time.Time) (more bool, err error) {
	for range batch {
		n, oobn, _, from, err := unix.Recvmsg(fd, r.b, r.oob, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("bfd: receive: %w", err)
		}
		if a, ok := r.arrival(r.oob[:oobn], from); ok {
			e.receive(now, a, r.b[:n])
		}
	}
	return true, nil
}

// arrival reads what the kernel says of a packet.
func (r *receiver) arrival(oob []byte, from unix.Sockaddr) (a arrival, ok bool) {
	var to net.IP
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		var cm ipv4.ControlMessage
		if cm.Parse(oob) != nil {
			return a, false
		}
		a.from, a.device, a.ttl, to = netip.AddrFrom4(from.Addr), cm.IfIndex, cm.TTL, cm.Dst
	case *unix.SockaddrInet6:
		var cm ipv6.ControlMessage
		if cm.Parse(oob) != nil {
			return a, false
		}
		a.from, a.device, a.ttl, to = netip.AddrFrom16(from.Addr), cm.IfIndex, cm.HopLimit, cm.Dst
	default:
		return a, false
	}
	a.to, ok = netip.AddrFromSlice(to)
	a.from, a.to = a.from.Unmap(), a.to.Unmap()
	return a, ok
}
