package probe

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
)

// The most that a server may say until we are logged in: so many packets, of so many
// bytes each.
const (
	mysqlPacketsMost = 16
	mysqlPacketMost  = 64 << 10
)

// mysqlWire is a connection lent to the library. It hands on whole packets that it has
// looked at: the library takes what is in them on trust, so that a server's short packet
// ends the process, and a long one, or many, fill the memory. And it keeps what the
// network said, for which the library has one word.
type mysqlWire struct {
	net.Conn
	lent    bool // once it is not, nothing is sent any more, and closing does nothing
	packets int
	good    bool   // the last of them said so
	waiting []byte // of the packet that was read
	err     error  // that reading or writing ended with
}

func (w *mysqlWire) Read(b []byte) (int, error) {
	if len(w.waiting) == 0 {
		packet, err := w.packet()
		if err != nil {
			w.err = err
			return 0, err
		}
		w.waiting = packet
	}
	n := copy(b, w.waiting)
	w.waiting = w.waiting[n:]
	return n, nil
}

// packet reads one: a length of three bytes, a number, and so many bytes.
func (w *mysqlWire) packet() ([]byte, error) {
	head := make([]byte, 4, 128)
	if _, err := io.ReadFull(w.Conn, head); err != nil {
		return nil, err
	}
	size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if w.packets++; size == 0 || size > mysqlPacketMost || w.packets > mysqlPacketsMost {
		return nil, judge("the server sends a packet of %d bytes as its packet %d: is this MySQL?", size, w.packets)
	}
	packet := append(head, make([]byte, size)...)
	if _, err := io.ReadFull(w.Conn, packet[4:]); err != nil {
		return nil, err
	}
	if !mysqlSound(packet[4:], w.packets == 1) {
		return nil, judge("the server's packet %s is not MySQL's", quote(packet[4:]))
	}
	w.good = w.packets > 1 && packet[4] == 0
	return packet, nil
}

// mysqlSound says that a packet has what its first byte promises and the library takes
// for granted (MySQL's protocol, "Protocol::HandshakeV10", "OK_Packet", "ERR_Packet",
// "Protocol::AuthSwitchRequest", "Protocol::AuthMoreData").
func mysqlSound(b []byte, first bool) bool {
	switch {
	case b[0] == 0xff: // an error: a number, perhaps a state of six characters, and text
		return len(b) >= 4 && (b[3] != '#' || len(b) >= 9)
	case first: // version 10 of the protocol, and the server's
		_, rest, ok := bytes.Cut(b[1:], []byte{0})
		// Thread 4, salt 8, filler 1, capabilities 2, character set 1, status 2,
		// capabilities 2, length of the salt 1, reserved 10, salt 13.
		return b[0] == 10 && ok && len(rest) >= 44
	case b[0] == 0x00: // good: rows 1, row number 1, status 2, warnings 2, text
		return len(b) >= 7 && b[1] < 0xfb && b[2] < 0xfb
	case b[0] == 0xfe: // another way to log in, with a salt of its own
		_, salt, _ := bytes.Cut(b, []byte{0})
		return len(salt) >= 20 || !bytes.HasPrefix(b[1:], []byte("mysql_native_password"))
	case b[0] == 0x01: // a word of the way to log in, or a key
		block, _ := pem.Decode(b[1:])
		if block == nil {
			return len(b) > 1
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		_, ok := key.(*rsa.PublicKey)
		return err == nil && ok
	}
	return false
}

func (w *mysqlWire) Write(b []byte) (int, error) {
	if !w.lent {
		return len(b), nil
	}
	n, err := w.Conn.Write(b)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

func (w *mysqlWire) Close() error {
	if !w.lent {
		return nil
	}
	return w.Conn.Close()
}
