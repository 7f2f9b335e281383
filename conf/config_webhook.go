package conf

import (
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"
	"text/template"
	tree "text/template/parse"
	"time"

	"usher/healthcheck"
)

// Alert is what the template of a webhook's body is made over: one change of state.
type Alert struct {
	Kind          string // INSTANCE, GROUP, VS, RS or ANNOUNCE
	Name          string // of the instance, group, virtual server or announcement; of a real server its address
	VirtualServer string // of a real server, else ""
	Prefix        string // of an announcement, else "": which of its addresses
	State         string // active, backup, fault, stop, split_brain, up, down, announced, draining, withdrawn; test of usher notify --test
	Previous      string // the state before, "" where none is known
	Priority      int    // of an instance, else 0
	Peer          string // address of the other router, "" where there is none
	Reason        string // one line, any characters
	RouterID      string
	Time          string // RFC 3339
	// Problem tells whether the state asks for somebody: fault, split_brain, down, and withdrawn where
	// nobody has wanted that.
	// Any later change of the same thing is the end of it.
	Problem  bool
	Severity string // critical, warning (a real server) or info (no problem)
	Key      string // the same for every change of one thing, for what tells problems apart
	Text     string // the whole in one line, for people
}

// After gives the time that is so long after the change, as RFC 3339; d is written as "24h".
func (a Alert) After(d string) (string, error) {
	span, err := time.ParseDuration(d)
	if err != nil {
		return "", err
	}
	at, err := time.Parse(time.RFC3339Nano, a.Time)
	return at.Add(span).Format(time.RFC3339Nano), err
}

// BodyTemplate is the text of a webhook's body in the language of Go's text/template. It
// may hold a key of whom it is sent to, and does not print.
type BodyTemplate string

// String hides the text.
func (b BodyTemplate) String() string {
	if b == "" {
		return ""
	}
	return healthcheck.Hidden
}

// bodyMost bounds a template, each value in it and what is made of it, in bytes.
const bodyMost = 64 << 10

// bodyFuncs are the functions of templates beside comparisons.
var bodyFuncs = template.FuncMap{
	"json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return bounded(string(text), err)
	},
	"upper": func(s string) (string, error) { return bounded(strings.ToUpper(s), nil) },
	"lower": func(s string) (string, error) { return bounded(strings.ToLower(s), nil) },
}

// bodyWords are all functions that a template may use. The others could make texts of any
// size out of nothing, or are of no use here.
var bodyWords = map[string]bool{"json": true, "upper": true, "lower": true, "and": true, "or": true, "not": true,
	"eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true, "len": true}

func bounded(s string, err error) (string, error) {
	if err == nil && len(s) > bodyMost {
		err = fmt.Errorf("a value of %d bytes is longer than %d", len(s), bodyMost)
	}
	return s, err
}

// Body makes the bodies of a webhook.
type Body struct{ t *template.Template }

// Parse gives what makes bodies of the template. It has neither loops nor templates
// within it and few functions, so that a body takes no longer than its text is long.
func (b BodyTemplate) Parse() (Body, error) {
	if len(b) > bodyMost {
		return Body{}, fmt.Errorf("it has %d bytes, more than %d", len(b), bodyMost)
	}
	t, err := template.New("body").Funcs(bodyFuncs).Option("missingkey=error").Parse(string(b))
	if err != nil {
		return Body{}, err
	}
	if len(t.Templates()) > 1 {
		return Body{}, fmt.Errorf("define and block are not there: a body is one template")
	}
	if t.Tree == nil || t.Root == nil {
		return Body{}, fmt.Errorf("it is empty")
	}
	return Body{t}, plainNodes(t.Root)
}

// Make gives the body for a change, at most 64 KiB.
func (b Body) Make(a Alert) (string, error) {
	out := limitedText{}
	err := b.t.Execute(&out, a)
	return out.String(), err
}

type limitedText struct{ strings.Builder }

func (l *limitedText) Write(p []byte) (int, error) {
	if l.Len()+len(p) > bodyMost {
		return 0, fmt.Errorf("the body is longer than %d bytes", bodyMost)
	}
	return l.Builder.Write(p)
}

// plainNodes refuses what a body needs no more than it needs a program.
func plainNodes(n tree.Node) error {
	var within []tree.Node
	list := func(l *tree.ListNode) {
		if l != nil {
			within = append(within, l.Nodes...)
		}
	}
	switch n := n.(type) {
	case *tree.ListNode:
		list(n)
	case *tree.IfNode:
		within = append(within, n.Pipe)
		list(n.List)
		list(n.ElseList)
	case *tree.WithNode:
		within = append(within, n.Pipe)
		list(n.List)
		list(n.ElseList)
	case *tree.ActionNode:
		within = append(within, n.Pipe)
	case *tree.PipeNode:
		for _, c := range n.Cmds {
			within = append(within, c.Args...)
		}
	case *tree.ChainNode:
		within = append(within, n.Node)
	case *tree.IdentifierNode:
		if !bodyWords[n.Ident] {
			return fmt.Errorf("the function %s is not there; json, upper, lower, len and comparisons are", n.Ident)
		}
	case *tree.RangeNode, *tree.TemplateNode, *tree.BreakNode, *tree.ContinueNode:
		return fmt.Errorf("%s is not there: if and with are, and every value stands for itself", n)
	}
	for _, w := range within {
		if err := plainNodes(w); err != nil {
			return err
		}
	}
	return nil
}

// body checks the body of a webhook, on is what it tells of.
func (b *builder) body(n *node, on []string) {
	kind := n.text("content_type")
	media, _, err := mime.ParseMediaType(kind)
	if err != nil && !n.bad("content_type") {
		b.complain(n.at("content_type"), "Not a media type", "content_type %q: %v; give one as \"application/json\".", kind, err)
	}
	if !n.given("body") {
		if n.given("content_type") {
			b.complain(n.at("content_type"), "Content type without a body", "Without body usher's own JSON document is sent; give body, or leave content_type out.")
		}
		return
	}
	if n.bad("body") {
		return
	}
	t, err := BodyTemplate(n.text("body")).Parse()
	if err != nil {
		b.complain(n.at("body"), "Invalid template", "body: %v.", err)
		return
	}
	for _, a := range sampleAlerts(on) {
		text, err := t.Make(a)
		if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) && !json.Valid([]byte(text)) {
			err = fmt.Errorf("what it makes is not JSON, which content_type says that it is; write values as {{json .Reason}}, without quotes around them")
		}
		if err != nil {
			b.complain(n.at("body"), "Invalid template", "body, for a change of %s to %s: %v.", a.Kind, a.State, err)
			return
		}
	}
}

// sampleAlerts are changes of all kinds, with what has to be escaped in them.
func sampleAlerts(on []string) (all []Alert) {
	for _, word := range append([]string{"test"}, on...) {
		a := Alert{Kind: "INSTANCE", Name: "web", State: word, Previous: "backup", Priority: 100, Peer: "192.0.2.7", Severity: "critical"}
		switch rest, ok := strings.CutPrefix(word, "server_"); {
		case ok:
			a = Alert{Kind: "RS", Name: "192.0.2.1:80", VirtualServer: "web", State: rest, Severity: "warning"}
		case slices.Contains(announceWords, word):
			a = Alert{Kind: "ANNOUNCE", Name: "web", Prefix: "192.0.2.10/32", State: word, Severity: "critical"}
		case word == "up" || word == "down":
			a = Alert{Kind: "VS", Name: "web", State: word, Severity: "critical"}
		}
		a.Reason, a.Text, a.RouterID, a.Key = "\"quoted\" \\ <b>\n", "\"quoted\" \\ <b>\n", "lb\"1", "usher/lb1/web"
		a.Time = time.Unix(0, 0).UTC().Format(time.RFC3339Nano)
		for _, problem := range []bool{false, true} {
			a.Problem = problem
			all = append(all, a)
		}
	}
	return all
}
