package probe_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"testing"

	"usher/healthcheck"
)

// sha2Server is what MySQL 8 does with a user of its default plugin,
// caching_sha2_password: it knows the password of none or of those that have logged in
// before, and has the others tell it by its RSA key (MySQL's internals, "Caching_sha2_password
// information").
type sha2Server struct {
	password string
	cached   bool
	key      *rsa.PrivateKey
	plugin   string // that it has clients switch to, and then lets everybody in; "" for none
}

const sha2Salt = "abcdefghijklmnopqrst"

func (s *sha2Server) serve(conn net.Conn) {
	send := func(number byte, text string) {
		conn.Write(append([]byte{byte(len(text)), byte(len(text) >> 8), 0, number}, text...))
	}
	receive := func() []byte {
		head := make([]byte, 4)
		if _, err := io.ReadFull(conn, head); err != nil {
			return nil
		}
		b := make([]byte, int(head[0])|int(head[1])<<8)
		io.ReadFull(conn, b)
		return b
	}
	const ok, denied = "\x00\x00\x00\x02\x00\x00\x00", "\xff\x15\x04#28000Access denied for user"
	send(0, "\x0a8.4.2\x00\x01\x00\x00\x00"+sha2Salt[:8]+"\x00\xff\xf7\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"+sha2Salt[8:]+"\x00caching_sha2_password\x00")
	login := receive()
	if s.plugin != "" {
		send(2, "\xfe"+s.plugin+"\x00"+sha2Salt+"\x00")
		if receive() != nil {
			send(4, ok)
			receive()
		}
		return
	}
	if s.cached {
		if !bytes.Contains(login, sha2Scramble(s.password)) {
			send(2, denied)
			return
		}
		send(2, "\x01\x03")
		send(3, ok)
		receive()
		return
	}
	send(2, "\x01\x04")
	if ask := receive(); len(ask) != 1 || ask[0] != 2 { // the public key
		send(4, denied)
		return
	}
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		return
	}
	send(4, "\x01"+string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, s.key, receive(), nil)
	if err != nil {
		send(6, denied)
		return
	}
	for i := range plain {
		plain[i] ^= sha2Salt[i%len(sha2Salt)]
	}
	if string(plain) != s.password+"\x00" {
		send(6, denied)
		return
	}
	send(6, ok)
	receive()
}

// sha2Scramble is the proof of a password that a server has in its cache.
func sha2Scramble(password string) []byte {
	one := sha256.Sum256([]byte(password))
	two := sha256.Sum256(one[:])
	three := sha256.Sum256(append(two[:], sha2Salt...))
	for i := range one {
		one[i] ^= three[i]
	}
	return one[:]
}

// TestMySQLLogin: with MySQL's own plugin a wrong password fails, whether the server has
// the right one in its cache or not; a plugin that is not known gets no answer in the way
// of another; without a user a refusal is an answer.
func TestMySQLLogin(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PROBE_PASSWORD", "secret")
	user := &healthcheck.Database{User: "probe", Password: &healthcheck.Credential{Variable: "PROBE_PASSWORD"}}
	for _, tc := range []struct {
		name   string
		server sha2Server
		login  *healthcheck.Database
		want   healthcheck.Outcome
		words  string
	}{
		{"cached", sha2Server{"secret", true, key, ""}, user, healthcheck.Pass, ""},
		{"cached, wrong", sha2Server{"another", true, key, ""}, user, healthcheck.Fail, `error 1045, "Access denied for user"`},
		{"in full", sha2Server{"secret", false, key, ""}, user, healthcheck.Pass, ""},
		{"in full, wrong", sha2Server{"another", false, key, ""}, user, healthcheck.Fail, `error 1045, "Access denied for user"`},
		{"a plugin that nobody knows", sha2Server{"secret", true, key, "of_all_things"}, user, healthcheck.Fail, "plugin"},
		{"nobody", sha2Server{"another", true, key, ""}, nil, healthcheck.Pass, ""},
		{"nobody, in full", sha2Server{"another", false, key, ""}, nil, healthcheck.Pass, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := serve(t, tc.server.serve)
			c.Type, c.Database = healthcheck.TypeMySQL, tc.login
			expect(t, run(t, c), tc.want, tc.words)
		})
	}
}

// TestMySQLWithoutEnd: a server that goes on and on is not listened to.
func TestMySQLWithoutEnd(t *testing.T) {
	for name, text := range map[string]string{
		"greeting": "\xff\xff\xff\x00\x0a", "after it": "\x05\x00\x00\x00\x0a5.7\x00",
	} {
		c := serve(t, func(conn net.Conn) {
			io.WriteString(conn, text)
			for piece := bytes.Repeat([]byte{0xff}, 64<<10); ; {
				if _, err := conn.Write(piece); err != nil {
					return
				}
			}
		})
		c.Type = healthcheck.TypeMySQL
		if r := run(t, c); r.Outcome != healthcheck.Fail || r.Latency > c.Timeout/2 {
			t.Errorf("%s: %s %q in %s", name, r.Outcome, r.Reason, r.Latency)
		}
	}
}
