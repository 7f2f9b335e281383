package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// memory is a question that was asked before, with its answer: nearly always the same one
// comes again, to the byte, and need not be looked into.
type memory struct {
	query  query
	asked  *dns.Msg
	packet []byte // asked, packed; its number is changed in place
	answer []byte // packed; nil for none so far
	m      *dns.Msg
}

// numbered are how many bytes the number of a message has, which come first.
const numbered = 2

// ask gives the question with another random number.
func (y *memory) ask(q query) error {
	if y.asked != nil && y.query == q {
		y.asked.Id = dns.Id()
		binary.BigEndian.PutUint16(y.packet, y.asked.Id)
		return nil
	}
	asked := q.message()
	packet, err := asked.Pack()
	if err != nil {
		return err
	}
	*y = memory{query: q, asked: asked, packet: packet}
	return nil
}

// read gives the message that a packet is, if it answers the question, and else why not.
func (y *memory) read(packet []byte) (m *dns.Msg, why string) {
	if y.answer != nil && len(packet) >= numbered && binary.BigEndian.Uint16(packet) == y.asked.Id && bytes.Equal(packet[numbered:], y.answer[numbered:]) {
		return y.m, ""
	}
	m = new(dns.Msg)
	if m.Unpack(packet) != nil {
		return nil, "what came is no DNS message"
	}
	if why := differs(m, y.asked); why != "" {
		return nil, why
	}
	y.answer, y.m = slices.Clone(packet), m
	return m, ""
}

// datagram asks by UDP. What is not an answer to the question is passed over: the true one
// may follow.
func (r *Reader) datagram(ctx context.Context, server netip.AddrPort, q query, end time.Time) (*dns.Msg, error) {
	y := &r.memory
	if err := y.ask(q); err != nil {
		return nil, failure(err, "")
	}
	f := r.transport.send(server, y.packet, end)
	if f.err != nil {
		return nil, failure(f.err, "")
	}
	other := ""
	if f.first != nil {
		m, why := y.read(f.first)
		if why == "" {
			f.close()
			return m, nil
		}
		other = why
	}
	conn := os.NewFile(uintptr(f.fd), "the socket of a question") // which does not block: the runtime waits for it
	defer conn.Close()
	_ = conn.SetReadDeadline(end)
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	buffer := make([]byte, longest)
	for {
		n, err := conn.Read(buffer)
		if err != nil && !errors.Is(err, io.EOF) { // that is an empty packet
			return nil, failure(err, other)
		}
		m, why := y.read(buffer[:n])
		if why == "" {
			return m, nil
		}
		other = why
	}
}
