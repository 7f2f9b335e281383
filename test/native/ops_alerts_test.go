package native

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// mailServer wants TLS and a user, and keeps what it takes in a maildir. It is for the
// Python of the distribution, whose package brings the library.
const mailServer = `
import asyncio, ssl, sys
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult, SMTP
cert, key, box = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(cert, key)
def check(server, session, envelope, mechanism, who):
    return AuthResult(success=who.login == b"usher" and who.password == b"pass of the mail")
def connection():
    return SMTP(Mailbox(box), hostname="localhost", tls_context=context, require_starttls=True, auth_required=True, authenticator=check)
async def main():
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 2525)
    await server.serve_forever()
asyncio.run(main())
`

// hook is somebody else's end of a webhook, which at first is out of order.
type hook struct {
	mu   sync.Mutex
	said []string // what came, in order: the status that it was given, and the state
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	code := http.StatusNoContent
	mac := hmac.New(sha256.New, []byte("key of the hook"))
	mac.Write(body)
	var change struct{ Kind, Name, State string }
	switch {
	case err != nil || json.Unmarshal(body, &change) != nil || r.Header.Get("X-Usher-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)):
		code = http.StatusBadRequest
	case len(h.said) == 0:
		code = http.StatusServiceUnavailable
	}
	h.said = append(h.said, fmt.Sprint(code, " ", change.Kind, " ", change.Name, " ", change.State))
	w.WriteHeader(code)
}

// heard waits until the last thing that came is want, and gives all.
func (h *hook) heard(t *testing.T, want string) []string {
	t.Helper()
	var all []string
	labtest.Must(t, lab.Until(t.Context(), "the webhook's last is "+want, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		all = slices.Clone(h.said)
		if len(all) == 0 || all[len(all)-1] != want {
			return fmt.Errorf("it has %q", all)
		}
		return nil
	}))
	return all
}

// TestAlerts: changes of a running director arrive at a webhook, signed, in order and
// again when it was out of order, and as mail over STARTTLS with a password; the stop
// is the last of them. Secrets come from files.
func TestAlerts(t *testing.T) {
	l := suite.New(t, "")
	h := &hook{}
	var listener net.Listener
	labtest.Must(t, l.A.Do(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:8099")
		return err
	}))
	receiver := &http.Server{Handler: h}
	t.Cleanup(func() { receiver.Close() })
	go receiver.Serve(listener)

	cert, key := certificate(t, "localhost", time.Hour)
	box := filepath.Join(l.A.Dir, "box")
	_, err := l.A.Start("mail", "/usr/bin/python3", labtest.File(t, l.A, "mail.py", mailServer), cert, key, box)
	labtest.Must(t, err)
	labtest.Must(t, lab.Until(t.Context(), "the mail server listens", func() error { return l.A.Dial(t.Context(), "127.0.0.1:2525") }))

	file := labtest.File(t, l.A, "usher.hcl", fmt.Sprintf(`
global {
  router_id = "lb1"
  webhook "http://127.0.0.1:8099/usher" {
    secret_file = %q
  }
  email {
    server        = "localhost:2525"
    from          = "usher@example.org"
    to            = ["ops@example.org"]
    on            = ["active"]
    ca_file       = %q
    user          = "usher"
    password_file = %q
  }
}
`, labtest.File(t, l.A, "hook.secret", "key of the hook\n"), cert, labtest.File(t, l.A, "mail.secret", "pass of the mail\n"))+fmt.Sprintf(router, 150))
	p := labtest.Start(t, l.A, "-c", file)
	labtest.Await(t, l.A, "web", "active")
	h.heard(t, "204 INSTANCE web active")
	labtest.Must(t, lab.Until(t.Context(), "the mail is there", func() error {
		mails, err := filepath.Glob(filepath.Join(box, "new", "*"))
		if err != nil || len(mails) != 1 {
			return fmt.Errorf("there are %q, %v", mails, err)
		}
		text, err := os.ReadFile(mails[0])
		if err == nil && !strings.Contains(string(text), "Subject: [usher lb1] instance web: active\n") {
			t.Errorf("the mail is\n%s", text)
		}
		return err
	}))
	labtest.Must(t, p.Stop())
	got := h.heard(t, "204 INSTANCE web stop")
	if want := []string{"503 INSTANCE web backup", "204 INSTANCE web backup", "204 INSTANCE web active", "204 INSTANCE web stop"}; !slices.Equal(got, want) {
		t.Errorf("the webhook had %q, not %q", got, want)
	}
}
