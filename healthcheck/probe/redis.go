package probe

import (
	"context"
	"fmt"
	"strings"

	"usher/healthcheck"
)

// redis logs in where a password is given, and asks for PONG.
func redis(ctx context.Context, c *healthcheck.Check, d healthcheck.Database, password string) healthcheck.Result {
	words := [][]string{}
	switch {
	case d.Password == nil:
	case d.User != "":
		words = append(words, []string{"AUTH", d.User, password})
	default:
		words = append(words, []string{"AUTH", password})
	}
	if d.Database != "" {
		words = append(words, []string{"SELECT", d.Database})
	}
	words = append(words, []string{"PING"})
	conn, err := dial(ctx, c)
	if err != nil {
		return failedBy(c, "connecting", err)
	}
	defer conn.Close()
	text := newTextConn(conn)
	for _, w := range words {
		if _, err := conn.Write(respCommand(w)); err != nil {
			return failedBy(c, "sending "+w[0], err)
		}
		line, err := text.line()
		if err != nil {
			return failedBy(c, "waiting for the answer to "+w[0], err)
		}
		if err := judgeRedis(w[0], line); err != nil {
			return failedBy(c, "judging the answer", err)
		}
	}
	farewell(conn, c, respCommand([]string{"QUIT"}))
	return pass()
}

// respCommand is a command as redis reads it: an array of strings.
func respCommand(words []string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

func judgeRedis(word, line string) error {
	want := "+OK"
	if word == "PING" {
		want = "+PONG"
	}
	switch {
	case line == want:
		return nil
	case strings.HasPrefix(line, "-NOAUTH"):
		return judge("the server wants a password: give password_file or password_env")
	case strings.HasPrefix(line, "-"):
		return judge("the server refuses %s: %s", word, quote(line[1:]))
	}
	return judge("the answer to %s is %s, want %s: is this redis?", word, quote(line), want)
}
