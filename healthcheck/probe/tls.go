package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"usher/healthcheck"
	"usher/healthcheck/files"
)

// tlsWants are what a protocol wants of TLS, apart from what is configured.
type tlsWants struct {
	name     string      // stands in for a server name that is not configured
	protocol string      // must be agreed on by ALPN; "" for any
	client   *clientAuth // hears of the client's certificate; nil where the protocol has the server speak next
}

// shake does the TLS handshake on a connection.
func shake(ctx context.Context, conn net.Conn, c *healthcheck.Check, wants tlsWants) (*tls.Conn, time.Time, error) {
	var expiry time.Time
	config, err := tlsConfig(c, wants.name, func(t time.Time) { expiry = t })
	if err != nil {
		return nil, expiry, err
	}
	if wants.protocol != "" && len(config.NextProtos) == 0 {
		config.NextProtos = []string{wants.protocol}
	}
	if wants.client != nil {
		wants.client.watch(conn, config)
	}
	client := tls.Client(conn, config)
	begun := time.Now()
	if err = client.HandshakeContext(ctx); err != nil {
		return client, expiry, err
	}
	if wants.client != nil {
		wants.client.took = time.Since(begun)
	}
	if got := client.ConnectionState().NegotiatedProtocol; wants.protocol != "" && got != wants.protocol {
		if got == "" {
			return client, expiry, judge("the server does not know ALPN, so it cannot agree on %s", wants.protocol)
		}
		return client, expiry, judge("the server agreed on %q by ALPN, not on %s", got, wants.protocol)
	}
	return client, expiry, nil
}

// tlsConfig is what a check wants of TLS. seen hears of the end of the server's
// certificate, also where that is refused.
func tlsConfig(c *healthcheck.Check, name string, seen func(expiry time.Time)) (*tls.Config, error) {
	var t healthcheck.TLS
	if c.TLS != nil {
		t = *c.TLS
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: t.ALPN}
	if t.MinVersion == "1.3" {
		config.MinVersion = tls.VersionTLS13
	}
	switch {
	case t.ServerName != "":
		config.ServerName = t.ServerName
	case name != "":
		config.ServerName = name
	default:
		config.ServerName = target(c).Addr().String()
	}
	if t.CAFile != "" {
		pem, err := files.Soon(t.CAFile, files.Secret)
		if err != nil {
			return nil, ownFault("ca_file: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, ownFault("ca_file: %s holds no certificate in PEM", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := files.KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, ownFault("cert_file, key_file: %v", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	verify(config, t.Insecure, seen)
	return config, nil
}

// verify does by hand what crypto/tls does by itself, to see the certificate's end
// also where it is refused.
func verify(config *tls.Config, insecure bool, seen func(time.Time)) {
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return judge("the server showed no certificate")
		}
		seen(s.PeerCertificates[0].NotAfter)
		if insecure {
			return nil
		}
		others := x509.NewCertPool()
		for _, cert := range s.PeerCertificates[1:] {
			others.AddCert(cert)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: config.RootCAs, Intermediates: others, DNSName: config.ServerName,
		})
		return err
	}
}

// handshake is the tls check: a handshake, and the certificates, the server's and ours.
func handshake(ctx context.Context, c *healthcheck.Check) healthcheck.Result {
	var auth clientAuth
	conn, expiry, doing, err := open(ctx, c, 0, true, tlsWants{client: &auth})
	r := pass()
	if err == nil {
		defer conn.Close()
		doing, err = "after the TLS handshake", auth.refused(ctx, conn.(*tls.Conn), c)
	}
	if err != nil {
		r = failedBy(c, doing, err)
	}
	r.Expiry = expiry
	return r
}
