// Package logging makes the daemon's log: slog as text or JSON, whose level and
// format follow the configuration while it runs.
package logging

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
)

// Control changes a running log.
type Control struct {
	out     io.Writer
	level   slog.LevelVar
	current atomic.Pointer[base]
	hide    atomic.Pointer[func(string) string]
}

type base struct{ slog.Handler }

// New gives a logger that writes text at level info to w, and its control.
func New(w io.Writer) (*slog.Logger, *Control) {
	c := &Control{out: w}
	c.use("text")
	return slog.New(&handler{control: c}), c
}

// ParseLevel reads debug, info, warn (or warning) and error.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("log level %q is not one of debug, info, warn, error", s)
}

// Set changes level ("debug", "info", "warn", "error") and format ("text",
// "json"). On an error nothing is changed.
func (c *Control) Set(level, format string) error {
	l, err := ParseLevel(level)
	if err != nil {
		return err
	}
	if format != "" && format != "text" && format != "json" {
		return fmt.Errorf("log format %q is not one of text, json", format)
	}
	c.level.Set(l)
	c.use(format)
	return nil
}

// Conceal has messages and the values of attributes pass through hide, which leaves
// secrets out.
func (c *Control) Conceal(hide func(string) string) { c.hide.Store(&hide) }

// concealed is an attribute without secrets. A value of whatever type is looked at as it
// would be printed, and becomes that text where there is a secret in it.
func (c *Control) concealed(_ []string, a slog.Attr) slog.Attr {
	hide := c.hide.Load()
	if hide == nil {
		return a
	}
	var text string
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		text = v.String()
	case slog.KindAny:
		if _, level := v.Any().(slog.Level); level {
			return a
		}
		text = fmt.Sprint(v.Any())
	default: // a time, a number
		return a
	}
	if shown := (*hide)(text); shown != text {
		a.Value = slog.StringValue(shown)
	}
	return a
}

func (c *Control) use(format string) {
	o := &slog.HandlerOptions{Level: &c.level, ReplaceAttr: c.concealed}
	if format == "json" {
		c.current.Store(&base{slog.NewJSONHandler(c.out, o)})
	} else {
		c.current.Store(&base{slog.NewTextHandler(c.out, o)})
	}
}

// handler defers the choice of format to each record, so that loggers handed out
// before a reload follow it.
type handler struct {
	control *Control
	with    []func(slog.Handler) slog.Handler
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.control.level.Level() }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var out slog.Handler = h.control.current.Load()
	for _, w := range h.with {
		out = w(out)
	}
	return out.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(o slog.Handler) slog.Handler { return o.WithAttrs(attrs) })
}

func (h *handler) WithGroup(name string) slog.Handler {
	return h.and(func(o slog.Handler) slog.Handler { return o.WithGroup(name) })
}

func (h *handler) and(w func(slog.Handler) slog.Handler) slog.Handler {
	with := append(append([]func(slog.Handler) slog.Handler(nil), h.with...), w)
	return &handler{control: h.control, with: with}
}
