package peers

import (
	"context"
	"log"
	"log/slog"
	"strings"

	"usher/healthcheck"
)

// library is memberlist's log as lines of ours. What it says of single packets depends on
// who sends them: it is cleaned, and no more than some lines, and then one every ten
// minutes are written, for what it says it says again and again while a director is away or
// has the name of another. What an operator has to know are events and the status.
type library struct {
	log  *slog.Logger
	pace *pace
}

func newLibrary(l *slog.Logger) *log.Logger {
	return log.New(&library{log: l, pace: newPace(1.0/600, 20)}, "", 0)
}

// Write takes one line.
func (l *library) Write(b []byte) (int, error) {
	text := strings.TrimSpace(string(b))
	level := slog.LevelDebug
	if rest, ok := strings.CutPrefix(text, "["); ok {
		word, said, _ := strings.Cut(rest, "] ")
		text = said
		if word == "ERR" || word == "ERROR" || word == "WARN" {
			level = slog.LevelInfo
		}
	}
	if l.log.Enabled(context.Background(), level) && l.pace.one() {
		l.log.Log(context.Background(), level, "peers", "memberlist", healthcheck.Printable(strings.TrimPrefix(text, "memberlist: ")))
	}
	return len(b), nil
}
