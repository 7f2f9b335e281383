package rtnl

import (
	"encoding/binary"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in a netlink message: its type, and the protocol of a route.
const (
	offsetType  = 4
	offsetProto = unix.NLMSG_HDRLEN + 5
)

// attach lets through to a socket only what the watch acts on. The rest is not
// only noise (a router may see thousands of routes change): to wake a reader for
// the address that is just being added would delay its announcement.
func attach(fd int) error {
	kinds := []uint16{unix.RTM_NEWLINK, unix.RTM_DELLINK, unix.RTM_DELADDR, unix.RTM_DELRULE}
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: offsetType, Size: 2}}
	rest := uint8(len(kinds)) // instructions from the next one to the route's test
	for i, kind := range kinds {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: wire(kind), SkipTrue: rest - uint8(i) + 3})
	}
	program = append(program,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: wire(unix.RTM_DELROUTE), SkipTrue: 2},
		bpf.LoadAbsolute{Off: offsetProto, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: mark, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 0xffff},
	)
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// wire gives a number as a filter loads it: in network byte order, while netlink
// has the machine's.
func wire(kind uint16) uint32 {
	return uint32(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, kind)))
}
