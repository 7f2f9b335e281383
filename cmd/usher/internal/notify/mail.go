package notify

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"usher/conf"
	"usher/healthcheck/redact"
	"usher/vrrp/timespan"
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
	err := redact.Exactly(m.Password, "\x00"+m.User+"\x00"+m.Password).Error(m.send(ctx, c))
	var refused *textproto.Error
	if errors.As(err, &refused) && refused.Code >= 500 {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	return err
}

// send speaks SMTP through go-mail's smtp package. The library's own Client would send
// to nobody where one recipient is refused, and leaves a connection open where the
// login fails.
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
	if err := client.Mail(path(m.From)); err != nil {
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
	if _, err := m.message(c).WriteTo(w); err != nil {
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
		if err := client.Rcpt(path(to)); err != nil {
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
	known := map[string]smtp.Auth{
		"PLAIN":    smtp.PlainAuth("", m.User, m.Password, m.host, false),
		"CRAM-MD5": smtp.CRAMMD5Auth(m.User, m.Password),
		"LOGIN":    smtp.LoginAuth(m.User, m.Password, m.host, false),
	}
	for _, way := range ways {
		if auth := known[way]; auth != nil {
			err := client.Auth(auth)
			if errors.Is(err, smtp.ErrUnencrypted) {
				return fmt.Errorf("%w: the password would go out in the clear: %w", errPermanent, err)
			}
			return err
		}
	}
	return fmt.Errorf("%w: %s offers no way to authenticate that usher knows (%q)", errPermanent, m.Server, offered)
}

// message is the mail itself (RFC 5322), its text in UTF-8.
func (m *mail) message(c Change) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	to := make([]string, len(m.To))
	for i := range m.To {
		to[i] = named(m.To[i])
	}
	// As any header: the library's own for addresses refuses a bare "root".
	msg.SetGenHeader("From", named(m.From))
	msg.SetGenHeader("To", to...)
	msg.Subject(fmt.Sprintf("[usher %s] %s: %s", c.RouterID, c.subject(), c.State))
	msg.SetDateWithValue(c.Time)
	msg.SetMessageIDWithValue(rand.Text() + "@" + m.HELO)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, c.text())
	return msg
}

// text says what changed, for people.
func (c Change) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s", c.subject(), c.State)
	if c.Previous != "" {
		fmt.Fprintf(&b, ", was %s", c.Previous)
	}
	fmt.Fprintf(&b, ".\r\n\r\nDirector: %s\r\nTime:     %s\r\nReason:   %s\r\n", c.RouterID, timespan.At(c.Time), c.Reason)
	if c.Kind == Instance {
		fmt.Fprintf(&b, "Priority: %d\r\n", c.Priority)
	}
	if c.Peer != "" {
		fmt.Fprintf(&b, "Peer:     %s\r\n", c.Peer)
	}
	return b.String()
}

// path is the address alone of "Name <address>", which is all that a server is told
// (RFC 5321 section 4.1.2).
func path(who string) string {
	if a, err := netmail.ParseAddress(who); err == nil {
		who = a.Address
	}
	return "<" + who + ">"
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
	case Announcement:
		return strings.TrimSpace("announce " + c.Name + " " + c.Prefix)
	}
	return "virtual server " + c.Name
}
