package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// interval is that of every check.
const interval = time.Second

// lateness watches connections begin on the wire, and says by how much longer than
// the interval it took each server's next probe to come: median, 99th percentile,
// most. It is the same measure for every program.
func lateness(ctx context.Context, port int, length time.Duration) (late [3]time.Duration, err error) {
	const loopback = 1
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_IP)))
	if err != nil {
		return late, fmt.Errorf("capture: %w", err)
	}
	defer unix.Close(fd)
	if err := prepare(fd, port, loopback); err != nil {
		return late, fmt.Errorf("capture: %w", err)
	}
	last := make(map[[4]byte]time.Time)
	var gaps []time.Duration
	b := make([]byte, 128)
	for end := time.Now().Add(length); time.Now().Before(end) && ctx.Err() == nil; {
		n, err := unix.Read(fd, b)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != nil {
			return late, fmt.Errorf("capture: %w", err)
		}
		now := time.Now()
		if n < 20 {
			continue
		}
		to := [4]byte(b[16:20])
		if before, ok := last[to]; ok {
			gaps = append(gaps, max(0, now.Sub(before)-interval))
		}
		last[to] = now
	}
	if len(gaps) == 0 {
		return late, fmt.Errorf("capture: no server was probed twice within %s", length)
	}
	slices.Sort(gaps)
	return [3]time.Duration{gaps[len(gaps)/2], gaps[len(gaps)*99/100], gaps[len(gaps)-1]}, nil
}

// prepare makes a packet socket hear SYNs to a port alone, once each.
func prepare(fd, port, ifindex int) error {
	// The IP header first: protocol TCP; then, after a header of its length, the
	// port, and of the flags SYN without ACK.
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_TCP, Jf: 7},
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(port), Jf: 4},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 13},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 64},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20); err != nil {
		return err
	}
	timeout := unix.NsecToTimeval((100 * time.Millisecond).Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: ifindex})
}

func htons(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}
