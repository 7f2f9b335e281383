package probe

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net"

	"usher/healthcheck"
)

// The parts of the MySQL protocol that a login needs (its "Connection Phase").
const (
	mysqlProtocol41   = 0x200
	mysqlWithDB       = 0x8
	mysqlSecure       = 0x8000
	mysqlPluginAuth   = 0x80000
	mysqlLongPassword = 0x1
	mysqlPacketMost   = 64 << 10

	mysqlNative = "mysql_native_password"
	mysqlSHA2   = "caching_sha2_password"
)

// mysql logs in as far as it shows that the server serves. Without a user it
// gives none: a refusal is an answer too, while a client that vanishes after the
// greeting would be counted, and its host blocked (max_connect_errors).
func mysql(ctx context.Context, c *healthcheck.Check, d healthcheck.Database, password string) healthcheck.Result {
	conn, err := dial(ctx, c)
	if err != nil {
		return broken(c, "connecting", err)
	}
	defer conn.Close()
	greeting, number, err := mysqlRead(conn)
	if err != nil {
		return broken(c, "waiting for the greeting", err)
	}
	hello, err := mysqlGreeting(greeting)
	if err != nil {
		return broken(c, "reading the greeting", err)
	}
	if err := mysqlWrite(conn, number+1, hello.login(d, password)); err != nil {
		return broken(c, "logging in", err)
	}
	if err := mysqlAuthenticate(conn, d, password); err != nil {
		return broken(c, "logging in", err)
	}
	farewell(conn, c, []byte{1, 0, 0, 0, 1}) // COM_QUIT
	return pass()
}

// mysqlHello is what matters of a server's greeting.
type mysqlHello struct {
	version string
	plugin  string
	salt    []byte
}

// mysqlGreeting reads Protocol::HandshakeV10.
func mysqlGreeting(b []byte) (mysqlHello, error) {
	var h mysqlHello
	if len(b) > 0 && b[0] == 0xff {
		return h, mysqlError(b)
	}
	if len(b) < 1 || b[0] != 10 {
		return h, judge("the greeting %s is not MySQL's", quote(b))
	}
	version, rest, ok := bytes.Cut(b[1:], []byte{0})
	// thread id 4, salt 8, filler 1, capabilities 2
	if !ok || len(rest) < 15 {
		return h, judge("the greeting %s ends too early", quote(b))
	}
	h.version, h.plugin = string(version), mysqlNative
	h.salt = append(h.salt, rest[4:12]...)
	rest = rest[15:]
	// character set 1, status 2, capabilities 2, length of salt 1, reserved 10
	if len(rest) < 16 {
		return h, nil
	}
	more := max(13, int(rest[5])-8)
	rest = rest[16:]
	if len(rest) < more {
		return h, nil
	}
	h.salt = append(h.salt, bytes.TrimSuffix(rest[:more], []byte{0})...)
	if plugin, _, _ := bytes.Cut(rest[more:], []byte{0}); len(plugin) > 0 {
		h.plugin = string(plugin)
	}
	return h, nil
}

// login is Protocol::HandshakeResponse41.
func (h mysqlHello) login(d healthcheck.Database, password string) []byte {
	flags := uint32(mysqlProtocol41 | mysqlSecure | mysqlPluginAuth | mysqlLongPassword)
	if d.Database != "" {
		flags |= mysqlWithDB
	}
	b := binary.LittleEndian.AppendUint32(nil, flags)
	b = binary.LittleEndian.AppendUint32(b, mysqlPacketMost)
	b = append(b, 45) // utf8mb4
	b = append(b, make([]byte, 23)...)
	b = append(append(b, d.User...), 0)
	scramble := mysqlScramble(h.plugin, password, h.salt)
	b = append(append(b, byte(len(scramble))), scramble...)
	if d.Database != "" {
		b = append(append(b, d.Database...), 0)
	}
	return append(append(b, h.plugin...), 0)
}

// mysqlScramble proves the password without telling it.
func mysqlScramble(plugin, password string, salt []byte) []byte {
	if password == "" {
		return nil
	}
	var proof, stage []byte
	switch plugin {
	case mysqlSHA2: // SHA256(p) xor SHA256(SHA256(SHA256(p)), salt)
		one := sha256.Sum256([]byte(password))
		two := sha256.Sum256(one[:])
		three := sha256.Sum256(append(two[:], salt...))
		proof, stage = one[:], three[:]
	default: // SHA1(p) xor SHA1(salt, SHA1(SHA1(p)))
		one := sha1.Sum([]byte(password))
		two := sha1.Sum(one[:])
		three := sha1.Sum(append(bytes.Clone(salt), two[:]...))
		proof, stage = one[:], three[:]
	}
	for i := range proof {
		proof[i] ^= stage[i]
	}
	return proof
}

// mysqlAuthenticate takes the server's word on a login.
func mysqlAuthenticate(conn net.Conn, d healthcheck.Database, password string) error {
	for range 4 { // switch, more, and the end
		b, number, err := mysqlRead(conn)
		if err != nil {
			return err
		}
		switch {
		case len(b) == 0:
			return judge("the server's answer to the login is empty")
		case b[0] == 0x00:
			return nil
		case b[0] == 0xff:
			if err := mysqlError(b); d.User != "" || !mysqlRefusal(b) {
				return err
			}
			return nil
		case b[0] == 0xfe: // another way to log in
			plugin, salt, _ := bytes.Cut(b[1:], []byte{0})
			scramble := mysqlScramble(string(plugin), password, bytes.TrimSuffix(salt, []byte{0}))
			if err := mysqlWrite(conn, number+1, scramble); err != nil {
				return err
			}
		case b[0] == 0x01 && len(b) > 1 && b[1] == 0x04:
			// The password is not in the server's cache and would have to go over
			// TLS. It got as far as looking users up.
			return nil
		case b[0] == 0x01: // fast authentication was good: OK follows
		default:
			return judge("the server's answer to the login is %s", quote(b))
		}
	}
	return judge("the server did not come to an end with the login")
}

// mysqlRefusal says that an error is about who logs in, so that the server serves.
func mysqlRefusal(b []byte) bool {
	if len(b) < 3 {
		return false
	}
	switch binary.LittleEndian.Uint16(b[1:]) {
	case 1044, 1045, 1049, 1130, 1251, 1698, 1524, 1396:
		return true
	}
	return false
}

// mysqlError reads an ERR packet.
func mysqlError(b []byte) error {
	if len(b) < 3 {
		return judge("the server answered an error without a code")
	}
	text := b[3:]
	if len(text) > 6 && text[0] == '#' {
		text = text[6:]
	}
	return judge("the server says: error %d, %s", binary.LittleEndian.Uint16(b[1:]), quote(text))
}

// mysqlRead reads a packet: a length of three bytes, a number, and so many bytes.
func mysqlRead(conn net.Conn) ([]byte, byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, 0, err
	}
	size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if size > mysqlPacketMost {
		return nil, 0, judge("the server sends a packet of %d bytes: is this MySQL?", size)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(conn, b)
	return b, head[3], err
}

func mysqlWrite(conn net.Conn, number byte, b []byte) error {
	packet := []byte{byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16), number}
	_, err := conn.Write(append(packet, b...))
	return err
}
