package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"usher/healthcheck"
)

// clientAuth finds out what a server thinks of the client's certificate, or of there
// being none. In TLS 1.3 the client is done with its handshake before the server has
// looked: the refusal is an alert that comes afterwards (RFC 8446 section 4.4.2.4), and
// a probe that does not read does not see it.
type clientAuth struct {
	asked  bool // for a certificate
	took   time.Duration
	pair   *tls.Certificate
	ticket bool // came: the server gives none before it is content (section 4.6.1)
	under  *tiedConn
}

// watch has the handshake on conn by config tell of what it hears.
func (a *clientAuth) watch(conn net.Conn, config *tls.Config) {
	a.under, _ = conn.(*tiedConn)
	if len(config.Certificates) > 0 {
		a.pair = &config.Certificates[0]
	}
	config.GetClientCertificate = a.show
	config.ClientSessionCache = a
}

// show is asked for the certificate where the server wants one.
func (a *clientAuth) show(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	a.asked = true
	if a.pair != nil && request.SupportsCertificate(a.pair) == nil {
		return a.pair, nil
	}
	return new(tls.Certificate), nil
}

// Get has no session to go on with: a probe shakes hands in full.
func (a *clientAuth) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put hears of a ticket. It ends the read that it came by.
func (a *clientAuth) Put(_ string, session *tls.ClientSessionState) {
	if session != nil {
		a.ticket = true
		if a.under != nil {
			a.under.Conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// refused awaits the server's word after a handshake, and is the alert if that is one.
// Where no certificate was asked for there is nothing to wait for. Else a server tells by
// a ticket, by what it says, or by closing, for which it is asked: it does one of them
// at once. One that does none of it has no objection if nothing has come in the time of
// two handshakes, at least a tenth of the timeout.
func (a *clientAuth) refused(ctx context.Context, conn *tls.Conn, c *healthcheck.Check) error {
	if !a.asked || a.under == nil || conn.ConnectionState().Version < tls.VersionTLS13 {
		return nil
	}
	a.under.Conn.SetReadDeadline(time.Now().Add(max(2*a.took, c.Timeout/10)))
	if ctx.Err() != nil {
		return nil
	}
	conn.CloseWrite() // if it fails, the read tells why
	_, err := conn.Read(make([]byte, 1))
	var alert *net.OpError
	if !a.ticket && errors.As(err, &alert) && alert.Op == "remote error" {
		return err
	}
	return nil
}
