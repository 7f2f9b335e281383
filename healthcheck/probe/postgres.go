package probe

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"

	"usher/healthcheck"
)

// postgresMost is the longest message that a login needs.
const postgresMost = 64 << 10

// postgres logs in as far as it shows that the server serves: without a password,
// to where it is asked for one; with it, until the server is ready for queries
// (PostgreSQL, "Frontend/Backend Protocol").
//
// jackc/pgx/v5/pgconn would do the login, but not in the way of a check (version
// 5.13.0): it does up to 10,000,000 rounds of SCRAM if the server asks for them, whatever
// the deadline; its configuration takes what is missing from PGUSER, ~/.pgpass and the
// like; and where it is to stop when it is asked for a password, it hangs up without the
// farewell that keeps the server's log quiet.
func postgres(ctx context.Context, c *healthcheck.Check, d healthcheck.Database, password string) healthcheck.Result {
	conn, err := dial(ctx, c)
	if err != nil {
		return failedBy(c, "connecting", err)
	}
	defer conn.Close()
	if _, err := conn.Write(postgresStartup(d)); err != nil {
		return failedBy(c, "logging in", err)
	}
	if err := postgresLogin(ctx, conn, d, password); err != nil {
		return failedBy(c, "logging in", err)
	}
	farewell(conn, c, []byte{'X', 0, 0, 0, 4})
	return pass()
}

// postgresStartup is a StartupMessage of version 3.0.
func postgresStartup(d healthcheck.Database) []byte {
	user := d.User
	if user == "" {
		user = "usher"
	}
	body := binary.BigEndian.AppendUint32(nil, 3<<16)
	fields := []string{"user", user}
	if d.Database != "" {
		fields = append(fields, "database", d.Database)
	}
	for _, f := range append(fields, "application_name", "usher") {
		body = append(append(body, f...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// postgresLogin answers what the server asks.
func postgresLogin(ctx context.Context, conn net.Conn, d healthcheck.Database, password string) error {
	var exchange *scram
	for range 64 { // parameters and notices come between
		kind, b, err := postgresRead(conn)
		if err != nil {
			return err
		}
		switch kind {
		case 'E':
			return postgresRefused(d, b)
		case 'Z':
			return nil
		case 'S', 'K', 'N', 'v':
			continue
		case 'R':
		default:
			return judge("the server's answer begins with %q: is this PostgreSQL?", kind)
		}
		if len(b) < 4 {
			return judge("the server's request for a password ends too early")
		}
		method, rest := binary.BigEndian.Uint32(b), b[4:]
		if method != 0 && d.Password == nil {
			return nil // it asks for a password: it serves
		}
		var answer []byte
		switch method {
		case 0: // in
			continue
		case 3:
			answer = append([]byte(password), 0)
		case 5:
			if len(rest) < 4 {
				return judge("the server's request for a password ends too early")
			}
			answer = append([]byte("md5"+hexMD5(hexMD5(password+d.User)+string(rest[:4]))), 0)
		case 10:
			if !bytes.Contains(rest, []byte("SCRAM-SHA-256\x00")) {
				return judge("the server asks for a way to log in that is not known: %s", quote(rest))
			}
			exchange = newScram(password)
			first := exchange.first()
			answer = append([]byte("SCRAM-SHA-256\x00"), binary.BigEndian.AppendUint32(nil, uint32(len(first)))...)
			answer = append(answer, first...)
		case 11:
			final, err := exchange.final(ctx, string(rest))
			if err != nil {
				return err
			}
			answer = []byte(final)
		case 12:
			if err := exchange.verify(string(rest)); err != nil {
				return err
			}
			continue
		default:
			return judge("the server asks for a way to log in that is not known: %d", method)
		}
		message := binary.BigEndian.AppendUint32([]byte{'p'}, uint32(len(answer)+4))
		if _, err := conn.Write(append(message, answer...)); err != nil {
			return err
		}
	}
	return judge("the server did not come to an end with the login")
}

func hexMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// postgresRefused reads an ErrorResponse. Where no user is given, an error about
// who logs in (class 28, or an unknown database) shows that the server serves.
func postgresRefused(d healthcheck.Database, b []byte) error {
	var code, text string
	for field := range bytes.SplitSeq(b, []byte{0}) {
		if len(field) > 1 && field[0] == 'C' {
			code = string(field[1:])
		}
		if len(field) > 1 && field[0] == 'M' {
			text = string(field[1:])
		}
	}
	if d.User == "" && (strings.HasPrefix(code, "28") || code == "3D000") {
		return nil
	}
	return judge("the server says: %s (SQLSTATE %s)", quote(text), quote(code))
}

// postgresRead reads a message: a letter, a length that counts itself, and the rest.
func postgresRead(conn net.Conn) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size < 4 || size > postgresMost {
		return 0, nil, judge("the server's answer begins with %s: is this PostgreSQL?", quote(head[:]))
	}
	b := make([]byte, size-4)
	_, err := io.ReadFull(conn, b)
	return head[0], b, err
}
