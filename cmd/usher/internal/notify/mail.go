package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/smtp"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	"usher/conf"
)

// mailRetries is how many attempts follow the first; mail has no key for it.
const mailRetries = 5

// mail is a message by SMTP.
type mail struct {
	conf.Email
	host  string
	roots *x509.CertPool
}

func newMail(c conf.Email) (*mail, error) {
	host, _, err := net.SplitHostPort(c.Server)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", c.Server, err)
	}
	roots, err := rootsFrom(c.CAFile)
	if err != nil {
		return nil, err
	}
	if c.HELO == "" {
		if c.HELO, err = os.Hostname(); err != nil {
			c.HELO = "localhost"
		}
	}
	return &mail{c, host, roots}, nil
}

func (m *mail) retries() int   { return mailRetries }
func (m *mail) String() string { return "mail to " + strings.Join(m.To, ", ") + " by " + m.Server }

// deliver sends one message; the whole conversation has one deadline.
func (m *mail) deliver(ctx context.Context, c Change) error {
	ctx, cancel := context.WithTimeout(ctx, max(m.Timeout, time.Second))
	defer cancel()
	err := conceal(m.send(ctx, c), m.Password, "\x00"+m.User+"\x00"+m.Password)
	var refused *textproto.Error
	if errors.As(err, &refused) && refused.Code >= 500 {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	return err
}

func (m *mail) send(ctx context.Context, c Change) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.Server)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	client, err := smtp.NewClient(conn, m.host)
	if err != nil {
		_ = conn.Close()
		return err
	}
	defer func() { _ = client.Close() }()
	if err := client.Hello(m.HELO); err != nil {
		return err
	}
	if err := m.encrypt(client); err != nil {
		return err
	}
	if err := m.authenticate(client); err != nil {
		return err
	}
	if err := client.Mail(addressOf(m.From)); err != nil {
		return err
	}
	refused, err := m.recipients(client)
	if err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.message(c)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = client.Quit() // the message is the server's by now, however this ends
	if refused != nil {
		return fmt.Errorf("%w: the others have it: %w", errPermanent, refused)
	}
	return nil
}

// recipients names who is to have the message. Those whom the server refuses do not
// keep it from the others; where it refuses all, that is the error.
func (m *mail) recipients(client *smtp.Client) (refused, err error) {
	var all []error
	for _, to := range m.To {
		if err := client.Rcpt(addressOf(to)); err != nil {
			all = append(all, fmt.Errorf("recipient %s: %w", to, err))
		}
	}
	if len(all) == len(m.To) {
		return nil, errors.Join(all...)
	}
	return errors.Join(all...), nil
}

// encrypt starts TLS as configured (RFC 3207).
func (m *mail) encrypt(client *smtp.Client) error {
	offered, _ := client.Extension("STARTTLS")
	switch {
	case m.StartTLS == "never", !offered && m.StartTLS == "prefer":
		return nil
	case !offered:
		return fmt.Errorf("%w: %s does not offer STARTTLS", errPermanent, m.Server)
	}
	return client.StartTLS(&tls.Config{ServerName: m.host, RootCAs: m.roots})
}

// authenticate proves who is sending (RFC 4954): by the first way offered that is known,
// in the clear by one that does not show the password, if there is one.
func (m *mail) authenticate(client *smtp.Client) error {
	if m.User == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	ways := strings.Fields(strings.ToUpper(offered))
	if _, encrypted := client.TLSConnectionState(); !encrypted && slices.Contains(ways, "CRAM-MD5") {
		ways = []string{"CRAM-MD5"}
	}
	for _, way := range ways {
		switch way {
		case "PLAIN":
			return client.Auth(smtp.PlainAuth("", m.User, m.Password, m.host))
		case "CRAM-MD5":
			return client.Auth(smtp.CRAMMD5Auth(m.User, m.Password))
		case "LOGIN":
			return client.Auth(&loginAuth{m.User, m.Password})
		}
	}
	return fmt.Errorf("%w: %s offers no way to authenticate that usher knows (%q)", errPermanent, m.Server, offered)
}

// loginAuth is the LOGIN mechanism, all that some servers offer. Like PLAIN it
// shows the password, so it wants TLS.
type loginAuth struct{ user, password string }

func (a *loginAuth) Start(s *smtp.ServerInfo) (string, []byte, error) {
	if !s.TLS && s.Name != "localhost" && s.Name != "127.0.0.1" && s.Name != "::1" {
		return "", nil, fmt.Errorf("%w: the password would go out in the clear", errPermanent)
	}
	return "LOGIN", nil, nil
}

func (a *loginAuth) Next(asked []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	switch q := strings.ToLower(string(asked)); {
	case strings.HasPrefix(q, "user"):
		return []byte(a.user), nil
	case strings.HasPrefix(q, "pass"):
		return []byte(a.password), nil
	}
	return nil, fmt.Errorf("%w: unexpected question %q", errPermanent, asked)
}

// message is the mail itself (RFC 5322), its text in UTF-8.
func (m *mail) message(c Change) []byte {
	var b bytes.Buffer
	header := func(name, value string) {
		value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	var id [12]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	to := make([]string, len(m.To))
	for i := range m.To {
		to[i] = named(m.To[i])
	}
	header("From", named(m.From))
	header("To", strings.Join(to, ", "))
	header("Subject", mime.QEncoding.Encode("utf-8", fmt.Sprintf("[usher %s] %s: %s", c.RouterID, c.subject(), c.State)))
	header("Date", c.Time.Format(time.RFC1123Z))
	header("Message-ID", "<"+hex.EncodeToString(id[:])+"@"+m.HELO+">")
	header("Auto-Submitted", "auto-generated")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	text := quotedprintable.NewWriter(&b)
	fmt.Fprintf(text, "%s is %s", c.subject(), c.State)
	if c.Previous != "" {
		fmt.Fprintf(text, ", was %s", c.Previous)
	}
	fmt.Fprintf(text, ".\r\n\r\nDirector: %s\r\nTime:     %s\r\nReason:   %s\r\n", c.RouterID, c.Time.Format(time.RFC3339), c.Reason)
	if c.Kind == Instance {
		fmt.Fprintf(text, "Priority: %d\r\n", c.Priority)
	}
	if c.Peer != "" {
		fmt.Fprintf(text, "Peer:     %s\r\n", c.Peer)
	}
	_ = text.Close() // a bytes.Buffer takes everything
	return b.Bytes()
}

// addressOf is the address alone of "Name <address>", which is all that a server is told.
func addressOf(who string) string {
	if a, err := netmail.ParseAddress(who); err == nil {
		return a.Address
	}
	return who
}

// named is an address as a header has it, a name before it encoded where it must be.
func named(who string) string {
	if a, err := netmail.ParseAddress(who); err == nil && a.Name != "" {
		return a.String()
	}
	return who
}

// subject names what changed, for people.
func (c Change) subject() string {
	switch c.Kind {
	case Instance:
		return "instance " + c.Name
	case Group:
		return "sync group " + c.Name
	case RealServer:
		return "real server " + c.Name + " of " + c.VirtualServer
	}
	return "virtual server " + c.Name
}
