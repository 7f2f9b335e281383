package rtnl

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// conn is one rtnetlink socket for single requests with an acknowledgement. The
// kernel answers within the call that sends the request, so plain blocking calls
// with one buffer are enough, and the quickest: a takeover waits for them.
type conn struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	buf []byte
}

func dial() (*conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	c := &conn{fd: fd, buf: make([]byte, 4096)}
	// The request is not wanted back in an error.
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	// Texts for errors are a comfort that old kernels lack.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return c, nil
}

func (c *conn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return nil
	}
	err := unix.Close(c.fd)
	c.fd = -1
	return err
}

// do sends one request and gives the kernel's answer to it.
func (c *conn) do(req *nl.NetlinkRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return unix.EBADF
	}
	c.seq++
	req.Seq = c.seq
	req.Flags |= unix.NLM_F_ACK
	if err := unix.Sendto(c.fd, req.Serialize(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if found, err := answer(c.buf[:n], c.seq); found {
			return err
		}
	}
}

// answer reads the error of one request from a datagram of netlink messages.
func answer(b []byte, seq uint32) (found bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return true, fmt.Errorf("rtnetlink answer: %w", io.ErrUnexpectedEOF)
		}
		kind, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		if kind == unix.NLMSG_ERROR && binary.NativeEndian.Uint32(b[8:]) == seq && size >= unix.NLMSG_HDRLEN+4 {
			errno := unix.Errno(-int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])))
			if errno == 0 {
				return true, nil
			}
			if text := reason(b[:size], flags); text != "" {
				return true, fmt.Errorf("%w: %s", errno, text)
			}
			return true, errno
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}

// reason is the kernel's own text for an error, if it gave one.
func reason(msg []byte, flags uint16) string {
	const head = unix.NLMSG_HDRLEN + 4 + unix.NLMSG_HDRLEN // header, error, header of the request
	if flags&unix.NLM_F_ACK_TLVS == 0 || len(msg) < head {
		return ""
	}
	attrs, err := nl.ParseRouteAttr(msg[head:])
	if err != nil {
		return ""
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.NLMSGERR_ATTR_MSG {
			return unix.ByteSliceToString(a.Value)
		}
	}
	return ""
}
