package rtnl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
)

// lister is one rtnetlink socket that is kept for lists. The audit asks for a few of
// them each second, for as long as usher runs: a socket for each, with a buffer of its
// own, costs several times what the kernel's answer does.
type lister struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	buf []byte // of one part
	raw []byte // of a whole list

	linksRaw []byte // of the interfaces that were read last
	links    links
}

// listed is the size of the buffer: more than the kernel puts into one part of a list.
const listed = 64 << 10

// listWithin bounds in seconds how long the kernel may take for a part, which it puts
// together within the call that asks.
const listWithin = 5

func newLister() (*lister, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: listWithin})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1) // kernels before 4.20 give all
	return &lister{fd: fd, buf: make([]byte, listed)}, nil
}

func (l *lister) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fd < 0 {
		return nil
	}
	err := unix.Close(l.fd)
	l.fd = -1
	return err
}

// list asks for a list and gives its messages of one kind, without their headers.
func (l *lister) list(req *nl.NetlinkRequest, kind uint16) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.fetch(req, kind)
	return split(slices.Clone(l.raw)), err
}

// fetch asks for a list and leaves its messages of one kind in l.raw, without their
// headers, each behind its length.
func (l *lister) fetch(req *nl.NetlinkRequest, kind uint16) error {
	l.raw = l.raw[:0]
	if l.fd < 0 {
		return unix.EBADF
	}
	l.seq++
	req.Seq = l.seq
	if err := unix.Sendto(l.fd, req.Serialize(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	interrupted := false
	for {
		n, _, err := unix.Recvfrom(l.fd, l.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		for part := l.buf[:n]; len(part) >= unix.NLMSG_HDRLEN; {
			size := int(binary.NativeEndian.Uint32(part))
			if size < unix.NLMSG_HDRLEN || size > len(part) {
				return fmt.Errorf("rtnetlink list: %w", io.ErrUnexpectedEOF)
			}
			head, msg := part[:unix.NLMSG_HDRLEN], part[unix.NLMSG_HDRLEN:size]
			part = part[min(len(part), (size+3)&^3):]
			if binary.NativeEndian.Uint32(head[8:]) != l.seq {
				continue // of one before that was given up
			}
			interrupted = interrupted || binary.NativeEndian.Uint16(head[6:])&unix.NLM_F_DUMP_INTR != 0
			switch of := binary.NativeEndian.Uint16(head[4:]); of {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return ended(msg, interrupted)
			case kind:
				l.raw = append(binary.NativeEndian.AppendUint32(l.raw, uint32(len(msg))), msg...)
			}
		}
	}
}

// ended is how a list ended, by its last message.
func ended(msg []byte, interrupted bool) error {
	if len(msg) >= 4 {
		if errno := unix.Errno(-int32(binary.NativeEndian.Uint32(msg))); errno != 0 {
			return errno
		}
	}
	if interrupted {
		return netlink.ErrDumpInterrupted
	}
	return nil
}

// split gives the messages of what fetch has left.
func split(raw []byte) (all [][]byte) {
	for len(raw) >= 4 {
		end := 4 + int(binary.NativeEndian.Uint32(raw))
		all = append(all, raw[4:end])
		raw = raw[end:]
	}
	return all
}

// readLinks reads all interfaces. While the kernel says the same as the last time, to
// the byte, it is read no further. The caller must not change them.
func (l *lister) readLinks() (links, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := dump.Read(func() ([][]byte, error) { return nil, l.fetch(linksRequest(), unix.RTM_NEWLINK) })
	if err != nil {
		return links{}, fmt.Errorf("list interfaces: %w", err)
	}
	if l.links.byName == nil || !bytes.Equal(l.raw, l.linksRaw) {
		l.linksRaw = append(l.linksRaw[:0], l.raw...)
		l.links = parseLinks(split(slices.Clone(l.raw)))
	}
	return l.links, nil
}

// list is a way to ask for a list.
type list func(req *nl.NetlinkRequest, kind uint16) ([][]byte, error)

// listOnce is one on a socket of its own, for somebody who asks seldom.
func listOnce(req *nl.NetlinkRequest, kind uint16) ([][]byte, error) {
	return req.Execute(unix.NETLINK_ROUTE, kind)
}
