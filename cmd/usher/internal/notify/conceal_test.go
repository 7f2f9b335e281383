package notify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"usher/conf"
	"usher/healthcheck"
)

// TestNoSecretInAnError: whoever is notified and sends back what he was told does
// not get a secret into the log.
func TestNoSecretInAnError(t *testing.T) {
	shows := func(t *testing.T, err error, secrets ...string) {
		t.Helper()
		if err == nil {
			t.Fatal("no error")
		}
		for _, s := range secrets {
			if strings.Contains(err.Error(), s) || strings.Contains(err.Error(), base64.StdEncoding.EncodeToString([]byte(s))) {
				t.Errorf("%q shows %q", err, s)
			}
		}
	}
	for _, way := range []string{"PLAIN", "LOGIN", "CRAM-MD5"} {
		t.Run(way, func(t *testing.T) {
			err := mailTo(t, &post{offers: []string{"AUTH " + way}, refuses: true}, conf.Email{StartTLS: "never", User: "usher", Password: "obsidian7"})
			shows(t, err, "obsidian7", "\x00usher\x00obsidian7")
			if way != "CRAM-MD5" && !strings.Contains(err.Error(), healthcheck.Hidden) {
				t.Errorf("%v: the server's words are not told", err)
			}
			if !errors.Is(err, errPermanent) {
				t.Errorf("%v: it would be tried again", err)
			}
		})
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for _, answer := range []string{
			"HTTP/1.1 403 the key is obsidian7\r\nContent-Length: 0\r\n\r\n",
			"no HTTP but obsidian7 and /hook/granite8?key=basalt9\r\n\r\n",
			"HTTP/1.1 302 Found\r\nLocation: http://%zz/hook/granite8?key=basalt9\r\nContent-Length: 0\r\n\r\n",
		} {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	w, err := newWebhook(conf.Webhook{URL: fmt.Sprintf("http://usher:marble6@%s/hook/granite8?key=basalt9", l.Addr()), Secret: "obsidian7", Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"obsidian7", "granite8", "basalt9", "marble6"}
	for _, words := range []string{"403", "malformed", "Location"} {
		err := w.deliver(t.Context(), change)
		shows(t, err, secrets...)
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not tell of %q", err, words)
		}
	}
	<-served
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	shows(t, w.deliver(t.Context(), change), secrets...)
}
