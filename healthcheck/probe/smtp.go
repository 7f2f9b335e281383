package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"usher/healthcheck"
)

// smtp greets a mail server as far as EHLO (RFC 5321), over TLS where wanted (RFC 3207).
func smtp(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	expiry, doing, err := greet(ctx, c)
	r := pass()
	if err != nil {
		r = failedBy(c, doing, err)
	}
	r.Expiry = expiry
	return r
}

func greet(ctx context.Context, c *healthcheck.Check) (expiry time.Time, doing string, _ error) {
	var s healthcheck.SMTP
	if c.SMTP != nil {
		s = *c.SMTP
	}
	name := s.HELO
	if name == "" {
		if name, _ = os.Hostname(); name == "" {
			name = "localhost"
		}
	}
	conn, err := dial(ctx, c)
	if err != nil {
		return expiry, "connecting", err
	}
	defer func() { conn.Close() }()
	text := newTextConn(conn)
	if _, err := reply(text, "220", "the greeting"); err != nil {
		return expiry, "waiting for the greeting", err
	}
	offers, err := hello(text, name)
	if err != nil {
		return expiry, "waiting for the answer to EHLO", err
	}
	if s.StartTLS {
		if !offered(offers, "STARTTLS") {
			return expiry, "", judge("the server does not offer STARTTLS")
		}
		if _, err := command1(text, "STARTTLS", "220"); err != nil {
			return expiry, "waiting for the answer to STARTTLS", err
		}
		if text.in.Buffered() > 0 {
			return expiry, "", judge("the server sent text after its answer to STARTTLS")
		}
		client, until, err := shake(ctx, conn, c, tlsWants{})
		if expiry = until; err != nil {
			return expiry, "in the TLS handshake", err
		}
		conn, text = client, newTextConn(client)
		if _, err := hello(text, name); err != nil {
			return expiry, "waiting for the answer to EHLO over TLS", err
		}
	}
	farewell(conn, c, []byte("QUIT\r\n"))
	return expiry, "", nil
}

// hello greets by EHLO, and a server that does not know it by HELO (RFC 5321 section
// 3.2), which offers nothing.
func hello(t *textConn, name string) ([]string, error) {
	offers, err := command1(t, "EHLO "+name, "250")
	var refused *refusal
	if !errors.As(err, &refused) || refused.code != "500" && refused.code != "502" {
		return offers, err
	}
	_, err = command1(t, "HELO "+name, "250")
	return nil, err
}

// refusal is a reply with another code than the one that is wanted.
type refusal struct{ code, text string }

func (r *refusal) Error() string { return r.text }

// command1 sends a command and reads its reply.
func command1(t *textConn, line, code string) ([]string, error) {
	if err := t.say(line); err != nil {
		return nil, err
	}
	verb, _, _ := strings.Cut(line, " ")
	return reply(t, code, "the answer to "+verb)
}

// repliesMost is how many lines a reply may have.
const repliesMost = 100

// reply reads a reply of one or more lines, "250-first" to "250 last" (RFC 5321
// section 4.2.1).
func reply(t *textConn, code, what string) ([]string, error) {
	var lines []string
	for range repliesMost {
		line, err := t.line()
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(line, code) || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
			r := &refusal{text: fmt.Sprintf("%s is %s, want %s", what, quote(line), code)}
			if len(line) == 3 || len(line) > 3 && line[3] == ' ' {
				r.code = line[:3] // of one line, so that the next reply is another's
			}
			return nil, judge("%w", r)
		}
		lines = append(lines, strings.TrimLeft(line[3:], " -"))
		if len(line) == 3 || line[3] == ' ' {
			return lines, nil
		}
	}
	return nil, judge("%s has more than %d lines", what, repliesMost)
}

func offered(offers []string, word string) bool {
	for _, o := range offers {
		if first, _, _ := strings.Cut(o, " "); strings.EqualFold(first, word) {
			return true
		}
	}
	return false
}
