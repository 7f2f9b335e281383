package bgp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"usher/director/announce"
	"usher/healthcheck"
)

// maxLines is how many lines of GoBGP's a minute are logged.
const maxLines = 60

// handler takes GoBGP's log: some of its lines are the only place where it says why a
// session does not come up, warnings and errors go on to the speaker's log, within a bound,
// and the rest to its debug level.
type handler struct {
	speaker *Speaker
	budget  *budget
	peer    netip.Addr // that the lines are of; invalid for none
	attrs   []slog.Attr
}

// logger is what a server of GoBGP logs to.
func (s *Speaker) logger() *slog.Logger {
	return slog.New(&handler{speaker: s, budget: &budget{}})
}

// Enabled: debug lines are read for what they say of connections.
func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append(append([]slog.Attr(nil), h.attrs...), attrs...)
	for _, a := range attrs {
		if a.Key == "Key" {
			if address, err := netip.ParseAddr(a.Value.String()); err == nil {
				next.peer = address
			}
		}
	}
	return &next
}

// WithGroup: GoBGP has no groups.
func (h *handler) WithGroup(string) slog.Handler { return h }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if h.peer.IsValid() {
		h.explain(r)
	}
	level := slog.LevelDebug
	switch {
	case r.Level >= slog.LevelWarn:
		level = slog.LevelWarn
	case r.Level < slog.LevelInfo:
		return nil // each message that comes or goes
	}
	log := h.speaker.log
	if !log.Enabled(ctx, level) {
		return nil
	}
	ok, left := h.budget.spend(r.Time)
	if left > 0 {
		log.WarnContext(ctx, "bgp: lines of GoBGP's log were left out", "lines", left)
	}
	if !ok {
		return nil
	}
	var args []slog.Attr
	for _, a := range h.attrs {
		args = appendPlain(args, a)
	}
	r.Attrs(func(a slog.Attr) bool {
		args = appendPlain(args, a)
		return true
	})
	log.LogAttrs(ctx, level, "bgp: GoBGP: "+healthcheck.Printable(r.Message), args...)
	return nil
}

// appendPlain adds an attribute that is a number or a text, cleaned; others are GoBGP's own
// values, of any size.
func appendPlain(args []slog.Attr, a slog.Attr) []slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return append(args, slog.String(a.Key, healthcheck.Printable(v.String())))
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return append(args, slog.String(a.Key, healthcheck.Printable(err.Error())))
		}
		return args
	default:
		return append(args, a)
	}
}

// The lines of GoBGP 4.8.0 that say why a session does not come up, each with the attribute
// that has it. TestReasons of test/native holds them against an upgrade.
const (
	lineConnect  = "failed to connect"            // Error
	lineOutgoing = "outgoing connection IO error" // reason
	lineSent     = "sent notification"            // Code, Subcode
)

// explain makes a line the reason why a session is not established.
func (h *handler) explain(r slog.Record) {
	var why func(*session) string
	refused := false
	switch r.Message {
	case lineConnect:
		problem := value(r, "Error")
		why = func(s *session) string { return s.unreachable(problem) }
	case lineOutgoing:
		reason := value(r, "reason")
		refused = strings.HasPrefix(reason, "notification-received") || strings.HasPrefix(reason, "bad-peer-as")
		why = func(*session) string { return disconnected(reason) }
	case lineSent:
		code, sub := value(r, "Code"), value(r, "Subcode")
		refused = true
		why = func(*session) string { return refusal(code, sub) }
	default:
		return
	}
	h.speaker.update(func() {
		if ses := h.speaker.sessions[h.peer]; ses != nil && ses.there && ses.State != announce.Established {
			ses.explain(why(ses), refused, time.Now())
		}
	})
}

func value(r slog.Record, key string) (text string) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == key {
			text = a.Value.String()
		}
		return text == ""
	})
	return text
}

// refusal says in words what this director did not like of a router's OPEN message
// (RFC 4271 section 6.2).
func refusal(code, subcode string) string {
	if code == "2" {
		switch subcode {
		case "2":
			return "the router has another autonomous system number than asn says"
		case "3":
			return "the router has the same router identifier as this director, or none"
		case "6":
			return "the router's hold time is not acceptable"
		}
	}
	if code == "1" { // section 6.1
		return "what the router sends is no BGP: does something else listen at its port?"
	}
	return fmt.Sprintf("this director closed the connection with notification %s/%s (RFC 4271 section 4.5)", code, subcode)
}

// budget bounds lines in time.
type budget struct {
	mu      sync.Mutex
	begun   time.Time
	used    int
	without int
}

// spend says whether a line may be logged now, and how many could not be before it.
func (b *budget) spend(now time.Time) (ok bool, left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.begun) >= time.Minute {
		left, b.begun, b.used, b.without = b.without, now, 0, 0
	}
	if b.used >= maxLines {
		b.without++
		return false, left
	}
	b.used++
	return true, left
}
