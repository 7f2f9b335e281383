package bfd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// State is a session's state (RFC 5880 section 4.1).
type State uint8

// The states, with the protocol's numbers.
const (
	AdminDown State = iota
	Down
	Init
	Up
)

// String gives the RFC's word.
func (s State) String() string {
	return [...]string{"AdminDown", "Down", "Init", "Up"}[s&3]
}

// Diagnostic says why a session last went down (RFC 5880 section 4.1).
type Diagnostic uint8

// The diagnostics that usher sends or explains.
const (
	NoDiagnostic   Diagnostic = 0
	DetectionTime  Diagnostic = 1
	EchoFailed     Diagnostic = 2
	NeighbourDown  Diagnostic = 3
	PlaneReset     Diagnostic = 4
	PathDown       Diagnostic = 5
	Administrative Diagnostic = 7
)

// String says it in words.
func (d Diagnostic) String() string {
	switch d {
	case NoDiagnostic:
		return "no diagnostic"
	case DetectionTime:
		return "nothing heard within the detection time"
	case EchoFailed:
		return "echo failed"
	case NeighbourDown:
		return "the neighbour signalled down"
	case PlaneReset:
		return "forwarding plane reset"
	case PathDown:
		return "path down"
	case Administrative:
		return "administratively down"
	}
	return fmt.Sprintf("diagnostic %d", uint8(d))
}

// Packet is a BFD control packet (RFC 5880 section 4.1) without authentication.
// Intervals have microseconds.
type Packet struct {
	Diagnostic Diagnostic
	State      State
	Poll       bool
	Final      bool
	Demand     bool
	Multiplier uint8
	Mine       uint32 // the sender's discriminator
	Yours      uint32 // the receiver's; 0 while it is not known
	MinTX      time.Duration
	MinRX      time.Duration
	MinEchoRX  time.Duration
}

// packetSize is the length of a packet without authentication.
const packetSize = 24

// The bits of the second byte.
const (
	bitPoll       = 0x20
	bitFinal      = 0x10
	bitAuth       = 0x04
	bitDemand     = 0x02
	bitMultipoint = 0x01
)

// What is wrong with a received packet; section 6.8.6 wants it discarded.
var (
	ErrVersion       = errors.New("bfd: version is not 1")
	ErrLength        = errors.New("bfd: length field does not fit")
	ErrMultiplier    = errors.New("bfd: detect multiplier is 0")
	ErrMultipoint    = errors.New("bfd: multipoint bit is set")
	ErrDiscriminator = errors.New("bfd: a discriminator is 0")
	ErrAuth          = errors.New("bfd: authentication is not in use")
)

// Append puts the packet's 24 bytes after b.
func (p Packet) Append(b []byte) []byte {
	flags := byte(p.State&3) << 6
	for _, f := range []struct {
		on  bool
		bit byte
	}{{p.Poll, bitPoll}, {p.Final, bitFinal}, {p.Demand, bitDemand}} {
		if f.on {
			flags |= f.bit
		}
	}
	b = append(b, 1<<5|byte(p.Diagnostic)&0x1f, flags, p.Multiplier, packetSize)
	for _, n := range []uint32{p.Mine, p.Yours, micros(p.MinTX), micros(p.MinRX), micros(p.MinEchoRX)} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func micros(d time.Duration) uint32 { return uint32(d.Microseconds()) }

// Parse reads a packet, with the checks of section 6.8.6 that need no session.
func Parse(b []byte) (Packet, error) {
	if len(b) < packetSize {
		return Packet{}, io.ErrUnexpectedEOF
	}
	length := int(b[3])
	switch {
	case b[0]>>5 != 1:
		return Packet{}, ErrVersion
	case length < packetSize || length > len(b):
		return Packet{}, ErrLength
	case b[2] == 0:
		return Packet{}, ErrMultiplier
	case b[1]&bitMultipoint != 0:
		return Packet{}, ErrMultipoint
	case b[1]&bitAuth != 0:
		return Packet{}, ErrAuth
	}
	field := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	interval := func(at int) time.Duration { return time.Duration(field(at)) * time.Microsecond }
	p := Packet{
		Diagnostic: Diagnostic(b[0] & 0x1f), State: State(b[1] >> 6),
		Poll: b[1]&bitPoll != 0, Final: b[1]&bitFinal != 0, Demand: b[1]&bitDemand != 0,
		Multiplier: b[2], Mine: field(4), Yours: field(8),
		MinTX: interval(12), MinRX: interval(16), MinEchoRX: interval(20),
	}
	if p.Mine == 0 || p.Yours == 0 && p.State != Down && p.State != AdminDown {
		return Packet{}, ErrDiscriminator
	}
	return p, nil
}
