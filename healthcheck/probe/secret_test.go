package probe_test

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/healthcheck"
)

// TestNoSecretOfACommand: what a command was given under a name that says that it is
// secret does not come back with what it prints; the rest does.
func TestNoSecretOfACommand(t *testing.T) {
	c := healthcheck.Check{Type: healthcheck.TypeExec, Exec: &healthcheck.Exec{
		Command: []string{"/bin/sh", "-c", `echo "$HOST: login with $DB_PASSWORD and $api_token failed"; exit 2`},
		Env:     []string{"HOST=db1", "DB_PASSWORD=obsidian", "api_token=granite"},
	}}
	want := `/bin/sh ended with status 2: "db1: login with (hidden) and (hidden) failed"`
	if r := run(t, c); r.Outcome != healthcheck.Fail || r.Reason != want {
		t.Errorf("%s %q, want %q", r.Outcome, r.Reason, want)
	}
}

// TestNoSecretInAResult: servers that send back what they were told, where the
// result quotes them, do not get a credential into its words.
func TestNoSecretInAResult(t *testing.T) {
	const secret = `Ob"sidian\7-glass`
	encoded := base64.StdEncoding.EncodeToString([]byte("probe:" + secret))
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PROBE_SECRET", secret)
	fromFile := &healthcheck.Credential{Scheme: "basic", User: "probe", File: file}
	fromEnvironment := &healthcheck.Credential{Scheme: "bearer", Variable: "PROBE_SECRET"}
	header := []healthcheck.Header{{Name: "Authorization", Value: "Bearer " + secret}}
	cookie := []healthcheck.Header{{Name: "Cookie", Value: "a=1; session=Obsidian7"}}

	web := func(h healthcheck.HTTP) healthcheck.Check {
		return healthcheck.Check{Type: healthcheck.TypeHTTP, HTTP: &h}
	}
	database := func(t healthcheck.Type, d healthcheck.Database) healthcheck.Check {
		return healthcheck.Check{Type: t, Database: &d}
	}
	body := func(text string) string { return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + text }
	edge := strings.Repeat("x", 75) // a quotation is cut at 80 bytes
	postgresError := func(text string) string {
		b := "C28P01\x00M" + text + "\x00\x00"
		return "E" + string(binary.BigEndian.AppendUint32(nil, uint32(len(b)+4))) + b
	}
	packet := func(number byte, text string) string { return string([]byte{byte(len(text)), 0, 0, number}) + text }

	for _, tc := range []struct {
		name   string
		check  healthcheck.Check
		answer string
	}{
		{"basic, body", web(healthcheck.HTTP{Credential: fromFile, ExpectBody: "ready"}), body("you are " + secret)},
		{"basic, header sent back", web(healthcheck.HTTP{Credential: fromFile, ExpectBody: "ready"}), body("Authorization: Basic " + encoded)},
		{"basic, body that is cut off", web(healthcheck.HTTP{Credential: fromFile, ExpectBody: "ready"}), body(edge + secret)},
		{"basic, header that is cut off", web(healthcheck.HTTP{Credential: fromFile, ExpectBody: "ready"}), body(edge + encoded)},
		{"bearer, body", web(healthcheck.HTTP{Credential: fromEnvironment, ExpectBodyRegex: "^ready"}), body(secret)},
		{"bearer, JSON", web(healthcheck.HTTP{Credential: fromEnvironment, ExpectJSON: []healthcheck.JSONExpect{{Path: "token", Value: "none"}}}),
			body(`{"token": "Ob\"sidian\\7-glass"}`)},
		{"bearer, no HTTP", web(healthcheck.HTTP{Credential: fromEnvironment}), secret + "\r\n"},
		{"bearer, no header", web(healthcheck.HTTP{Credential: fromEnvironment}), "HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n"},
		{"bearer, length", web(healthcheck.HTTP{Credential: fromEnvironment}), "HTTP/1.1 200 OK\r\nContent-Length: " + secret + "\r\n\r\n"},
		{"bearer, chunk", web(healthcheck.HTTP{Credential: fromEnvironment}), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secret + "\r\n\r\n"},
		{"bearer, redirect", web(healthcheck.HTTP{Credential: fromEnvironment, FollowRedirects: true}),
			"HTTP/1.1 302 Found\r\nLocation: http://%zz" + secret + "/\r\nContent-Length: 0\r\n\r\n"},
		{"bearer, no HTTP for net/http", web(healthcheck.HTTP{Credential: fromEnvironment, FollowRedirects: true}), "HTTP/1.1 " + secret + "\r\n\r\n"},
		{"header", web(healthcheck.HTTP{Headers: header, ExpectBody: "ready"}), body("Authorization: Bearer " + secret)},
		{"token of a header", web(healthcheck.HTTP{Headers: header, ExpectBody: "ready"}), body(secret)},
		{"cookie", web(healthcheck.HTTP{Headers: cookie, ExpectBody: "ready"}), body("no session Obsidian7")},
		{"redis, error", database(healthcheck.TypeRedis, healthcheck.Database{Password: fromFile}), "-ERR unknown command 'AUTH " + secret + "'\r\n"},
		{"redis, nonsense", database(healthcheck.TypeRedis, healthcheck.Database{User: "probe", Password: fromEnvironment}), secret + "\r\n"},
		{"mysql, error", database(healthcheck.TypeMySQL, healthcheck.Database{User: "probe", Password: fromFile}), packet(0, "\xff\x15\x04#28000no "+secret)},
		{"mysql, nonsense", database(healthcheck.TypeMySQL, healthcheck.Database{User: "probe", Password: fromEnvironment}), packet(0, secret)},
		{"mysql, answer to the login", database(healthcheck.TypeMySQL, healthcheck.Database{User: "probe", Password: fromFile}),
			packet(0, "\x0a8.0\x00\x01\x00\x00\x00saltsalt\x00\xff\xf7\x2d\x02\x00\xff\xdf\x15"+strings.Repeat("\x00", 10)+"saltsaltsalt\x00") + packet(2, "?"+secret)},
		{"postgres, error", database(healthcheck.TypePostgres, healthcheck.Database{User: "probe", Password: fromFile}), postgresError("no " + secret)},
		{"postgres, error that is cut off", database(healthcheck.TypePostgres, healthcheck.Database{User: "probe", Password: fromEnvironment}), postgresError(edge + secret)},
		{"postgres, a way to log in", database(healthcheck.TypePostgres, healthcheck.Database{User: "probe", Password: fromFile}),
			"R" + string(binary.BigEndian.AppendUint32(nil, uint32(8+len(secret)))) + "\x00\x00\x00\x0a" + secret},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.check
			c.Address = serve(t, func(conn net.Conn) {
				if c.Database == nil || c.Type != healthcheck.TypeMySQL {
					conn.Read(make([]byte, 4096))
				}
				io.WriteString(conn, tc.answer)
				if tcp, ok := conn.(*net.TCPConn); ok {
					tcp.CloseWrite()
				}
				io.Copy(io.Discard, conn)
			}).Address
			r := run(t, c)
			if r.Outcome != healthcheck.Fail || !strings.Contains(r.Reason, healthcheck.Hidden) {
				t.Errorf("%s, %q: the server's words are not told", r.Outcome, r.Reason)
			}
			for _, s := range []string{"Obs", `Ob\`, "sidian", "glass", encoded[:8], "T2IicG"} {
				if strings.Contains(r.Reason, s) {
					t.Errorf("%q shows of the secret %q", r.Reason, s)
				}
			}
		})
	}
}
