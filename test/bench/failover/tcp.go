package main

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"usher/test/lab"
)

// port is where both routers answer TCP, by their own stack.
const port = 9999

// knocking is how often the client tries to connect, and so the resolution of what
// is measured of TCP.
const knocking = time.Millisecond

// serve accepts connections on a router, for as long as its lab is there.
func serve(n *lab.Node) error {
	var l net.Listener
	err := n.Do(func() (err error) {
		l, err = net.Listen("tcp4", ":9999")
		return err
	})
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return nil
}

// knock sends a SYN to the VIP again and again, each from a socket of its own that is
// closed soon, so that no back-off of TCP stands in the way, until it is stopped.
func knock(ctx context.Context, n *lab.Node) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		err := n.Do(func() error {
			started <- nil
			knocks(ctx)
			return nil
		})
		started <- err
	}()
	stop = func() {
		cancel()
		<-done
	}
	return stop, <-started
}

func knocks(ctx context.Context) {
	to := &unix.SockaddrInet4{Port: port, Addr: lab.VIP.As4()}
	var open []int
	defer func() {
		for _, fd := range open {
			_ = unix.Close(fd)
		}
	}()
	tick := time.NewTicker(knocking)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			continue
		}
		// Closed with a reset: nothing lingers.
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
			_ = unix.Close(fd)
			continue
		}
		if open = append(open, fd); len(open) > 20 {
			_ = unix.Close(open[0])
			open = open[1:]
		}
	}
}
