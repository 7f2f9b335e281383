package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"usher/conf"
	"usher/healthcheck/files"
	"usher/healthcheck/redact"
)

// signatureHeader carries "sha256=" and the HMAC-SHA256 of the body in
// hexadecimal, as GitHub's X-Hub-Signature-256 does.
const signatureHeader = "X-Usher-Signature"

// webhook is a URL that gets each change as a JSON document by POST.
type webhook struct {
	conf.Webhook
	client  *http.Client
	body    *conf.Body // nil for the change itself as JSON
	secrets []string   // that no error shows
}

func newWebhook(c conf.Webhook) (*webhook, error) {
	roots, err := rootsFrom(c.CAFile)
	if err != nil {
		return nil, err
	}
	var body *conf.Body
	if c.Body != "" {
		b, err := c.Body.Parse()
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		body = &b
	}
	return &webhook{Webhook: c, body: body, client: &http.Client{
		Timeout:       max(c.Timeout, 100*time.Millisecond),
		CheckRedirect: samePost,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots},
			// Changes are rare: a connection kept open would only be dead by then.
			DisableKeepAlives: true,
		},
	}, secrets: append(secretsIn(c.URL), c.Secret)}, nil
}

// samePost follows only what sends the same document again (307, 308). After the
// others a client asks for the new place with GET and without the document, which a
// server may well answer with 200: nobody would have been told, and all would seem fine.
func samePost(next *http.Request, before []*http.Request) error {
	if next.Method != http.MethodPost || len(before) >= 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

// secretsIn are the parts of a webhook's URL that may be secret: its path and query,
// which often are a token, and a user's password.
func secretsIn(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return []string{address}
	}
	var all []string
	for _, s := range []string{u.RequestURI(), u.Path, u.RawQuery} {
		if s != "/" {
			all = append(all, s)
		}
	}
	if password, ok := u.User.Password(); ok {
		all = append(all, password)
	}
	return all
}

// rootsFrom reads certificates; nil, for the system's, where no file is given.
func rootsFrom(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := files.Soon(file, files.Secret)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", file)
	}
	return pool, nil
}

// deliver posts the change. Answers that a later attempt may mend are those of an
// overloaded or broken server; what it does not want it will not want later.
func (w *webhook) deliver(ctx context.Context, c Change) error {
	return redact.Exactly(w.secrets...).Error(w.post(ctx, c))
}

func (w *webhook) post(ctx context.Context, c Change) error {
	body, err := w.document(c)
	if err != nil {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errPermanent, err)
	}
	req.Header.Set("Content-Type", cmp.Or(w.ContentType, "application/json"))
	req.Header.Set("User-Agent", "usher")
	if w.Secret != "" {
		req.Header.Set(signatureHeader, "sha256="+sign(w.Secret, body))
	}
	resp, err := w.client.Do(req)
	if err != nil {
		var outer *url.Error // names the URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // courtesy; the status is what counts
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("answer %s", resp.Status)
	}
	return fmt.Errorf("%w: answer %s", errPermanent, resp.Status)
}

// document is what is sent of a change.
func (w *webhook) document(c Change) ([]byte, error) {
	if w.body == nil {
		return json.Marshal(c)
	}
	text, err := w.body.Make(c.alert())
	return []byte(text), err
}

// sign is the HMAC-SHA256 of a body, in hexadecimal.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (w *webhook) retries() int { return w.Retries }

// String leaves out what may be secret: the path and the query.
func (w *webhook) String() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "webhook"
	}
	return "webhook " + u.Scheme + "://" + u.Host + "#" + sign("usher", []byte(w.URL))[:8]
}
