package track

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// The process events connector (linux/cn_proc.h, linux/connector.h).
const (
	connectorProc  = 1 // CN_IDX_PROC and CN_VAL_PROC
	listen, ignore = 1, 2

	eventFork = 0x1
	eventExec = 0x2
	eventComm = 0x200
	eventExit = 0x80000000

	connectorHead = 20 // struct cn_msg
	eventHead     = 16 // of struct proc_event, before its data
)

// watchProcesses keeps a census by the kernel's own events and calls tell after
// each that concerned it, until the context ends. An error says that the kernel
// has no such events here.
func watchProcesses(ctx context.Context, c *census, tell func()) error {
	f, err := openConnector()
	if err != nil {
		return err
	}
	defer func() {
		_, _ = f.Write(listenRequest(ignore)) // old kernels do not see by the close that nobody listens
		_ = f.Close()
	}()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := f.Write(listenRequest(listen)); err != nil {
		return fmt.Errorf("listen to process events: %w", err)
	}
	// First listen, then look at what is there: nothing is missed in between.
	if err := c.scan(); err != nil {
		return err
	}
	tell()
	buf := make([]byte, 8192)
	for {
		n, err := f.Read(buf)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.ENOBUFS):
			if err := c.scan(); err != nil {
				return err
			}
			tell()
			continue
		case err != nil:
			return fmt.Errorf("read process events: %w", err)
		}
		before := len(c.pids)
		for b := buf[:n]; len(b) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.NLMSG_HDRLEN || size > len(b) {
				break
			}
			c.take(b[unix.NLMSG_HDRLEN:size])
			b = b[min(len(b), (size+3)&^3):]
		}
		if len(c.pids) != before {
			tell()
		}
	}
}

// take handles one event: connector head, event head, data.
func (c *census) take(b []byte) {
	if len(b) < connectorHead+eventHead+8 {
		return
	}
	what := binary.NativeEndian.Uint32(b[connectorHead:])
	data := b[connectorHead+eventHead:]
	word := func(i int) int { return int(int32(binary.NativeEndian.Uint32(data[4*i:]))) }
	switch {
	case what == eventFork && len(data) >= 16:
		// Parent's thread and process, child's thread and process; a new thread
		// is not a new process.
		if word(2) == word(3) {
			c.look(word(3))
		}
	case what == eventExec || what == eventComm:
		c.look(word(1))
	case what == eventExit:
		if word(0) == word(1) {
			delete(c.pids, word(1))
		}
	}
}

// listenRequest asks the kernel to send events, or to stop.
func listenRequest(op uint32) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+connectorHead+4)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NLMSG_DONE)
	cn := b[unix.NLMSG_HDRLEN:]
	binary.NativeEndian.PutUint32(cn, connectorProc)
	binary.NativeEndian.PutUint32(cn[4:], connectorProc)
	binary.NativeEndian.PutUint16(cn[16:], 4)
	binary.NativeEndian.PutUint32(cn[connectorHead:], op)
	return b
}

// openConnector opens a connector socket. The connector exists in the first
// network namespace alone, so from another one it is opened there; the socket
// stays where it was made.
func openConnector() (*os.File, error) {
	f, err := connectorHere()
	if err == nil {
		return f, nil
	}
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, still in the
		// other namespace, and nothing else ever runs on it.
		runtime.LockOSThread()
		ns, e := unix.Open("/proc/1/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if e == nil {
			e = unix.Setns(ns, unix.CLONE_NEWNET)
			_ = unix.Close(ns)
		}
		if e != nil {
			done <- opened{nil, errors.Join(err, e)}
			return
		}
		f, e := connectorHere()
		done <- opened{f, e}
	}()
	o := <-done
	return o.f, o.err
}

func connectorHere() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("process events: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: connectorProc}); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("process events: %w", err)
	}
	return os.NewFile(uintptr(fd), "process events"), nil
}
