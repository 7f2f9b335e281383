package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mitchellh/go-wordwrap"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/terminal"
)

// manyPools is above how many virtual servers those that are well take a line each.
const manyPools = 20

// statusTable is `usher status` for people: whether one is needed, why, then the
// instances, then each virtual server with its real servers. width is the terminal's
// in columns, 0 where there is none.
func statusTable(s api.Status, l look, now time.Time, style terminal.Style, width int) string {
	var b strings.Builder
	b.WriteString(verdictLine(s, style) + "\n")
	b.WriteString(style.Dim(fmt.Sprintf("usher %s, up %s", s.Version, terminal.Ago(now, s.Started))) + "\n")
	if s.Directors != nil {
		b.WriteString(wrapped(style.Dim("directors: "+othersLine(s.Directors)+" (usher status --all)"), "  ", width))
	}
	for _, w := range s.Warnings {
		b.WriteString(warningLine(w, now, style, width))
	}
	if len(s.Instances) > 0 {
		b.WriteString("\n" + instanceTable(s, now, style, width))
	}
	b.WriteString(announced(s, now, style, width))
	var well []api.VirtualServer
	for _, v := range s.VirtualServers {
		if !l.servers && len(s.VirtualServers) > manyPools && poolWell(v) {
			well = append(well, v)
			continue
		}
		b.WriteString("\n" + virtualServerTable(v, now, style, width))
	}
	if len(well) > 0 {
		b.WriteString("\n" + wellTable(well, now, style))
	}
	if l.settings && len(s.Settings) > 0 {
		b.WriteString("\n" + settingTable(s.Settings, style))
	}
	if len(s.Instances)+len(s.VirtualServers) == 0 && l.problems {
		b.WriteString("\nno instance, virtual server or real server is in trouble\n")
	}
	return b.String()
}

func verdictLine(s api.Status, style terminal.Style) string {
	paint := style.Good
	switch s.Verdict.Level {
	case api.LevelWarning:
		paint = style.Warn
	case api.LevelError:
		paint = style.Bad
	}
	return style.Bold(s.RouterID) + ": " + paint(s.Verdict.Text)
}

// warningLine is a warning with how long ago it began.
func warningLine(w api.Warning, now time.Time, style terminal.Style, width int) string {
	mark := style.Warn("warning:")
	if w.Severity == string(api.LevelError) {
		mark = style.Bad("error:")
	}
	subject := ""
	if w.Subject != "" {
		subject = w.Subject + ": "
	}
	return wrapped(fmt.Sprintf("%s %s%s %s", mark, subject, w.Text, style.Dim("("+terminal.Ago(now, w.Since)+")")), "  ", width)
}

// wrapped breaks a line at the terminal's width, if there is one; further lines are
// indented.
func wrapped(text, indent string, width int) string {
	if width <= len(indent)+20 {
		return text + "\n"
	}
	lines := strings.Split(wordwrap.WrapString(text, uint(width-len(indent))), "\n")
	return strings.Join(lines, "\n"+indent) + "\n"
}

// rows is a table in which a row may have lines of its own below it: the answer to
// "why" is never pushed off the screen.
type rows struct {
	table terminal.Table
	below map[int]string // by row, the heads' being 0
	n     int
	width int
}

func newRows(indent string, width int, heads ...string) *rows {
	r := &rows{table: terminal.Table{Indent: indent}, below: map[int]string{}, width: width}
	r.table.Row(heads...)
	return r
}

func (r *rows) add(why string, cells ...string) {
	r.n++
	r.table.Row(cells...)
	if why != "" {
		r.more(why)
	}
}

// more adds a line below the last row.
func (r *rows) more(text string) {
	indent := r.table.Indent + "  "
	r.below[r.n] += indent + wrapped(text, indent+"  ", max(r.width-len(indent), 0))
}

func (r *rows) String() string {
	var b strings.Builder
	n := 0
	for line := range strings.Lines(r.table.String()) {
		b.WriteString(line + r.below[n])
		n++
	}
	return b.String()
}

func instanceTable(s api.Status, now time.Time, style terminal.Style, width int) string {
	t := newRows("", width, heads(style, "INSTANCE", "STATE", "PRIORITY", "VRID", "INTERFACE", "ACTIVE ROUTER", "SINCE", "ADDRESSES")...)
	for _, i := range s.Instances {
		priority := fmt.Sprint(i.EffectivePriority)
		if i.EffectivePriority != i.Priority {
			priority = fmt.Sprintf("%d (of %d)", i.EffectivePriority, i.Priority)
		}
		why := i.Reason
		if !instanceWell(i) {
			why = style.Warn(why)
		}
		t.add(why, i.Name, style.State(s.StateWord(i)), priority, fmt.Sprint(i.VirtualRouterID), dash(i.Interface),
			dash(i.ActiveRouter), terminal.Ago(now, i.Since), addresses(i.Addresses))
		if text := signing(i, now); text != "" {
			t.more(style.Dim(text))
		}
	}
	return t.String()
}

// settingTable shows the kernel settings that usher holds.
func settingTable(list []api.Setting, style terminal.Style) string {
	var t terminal.Table
	t.Row(heads(style, "KERNEL SETTING", "VALUE", "BEFORE")...)
	for _, s := range list {
		t.Row(s.Name, s.Value, dash(s.Was))
	}
	return t.String()
}

// addresses keeps a long list from pushing everything off the screen.
func addresses(list []string) string {
	const shown = 3
	if len(list) <= shown {
		return strings.Join(list, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:shown], " "), len(list)-shown)
}

// wellTable has a line for each of many virtual servers that are well.
func wellTable(list []api.VirtualServer, now time.Time, style terminal.Style) string {
	var t terminal.Table
	t.Row(heads(style, "VIRTUAL SERVER", "ADDRESS", "STATE", "SERVERS", "CONN/S", "SINCE")...)
	for _, v := range list {
		servers := slices.DeleteFunc(slices.Clone(v.RealServers), func(r api.RealServer) bool { return r.Sorry })
		t.Row(v.Name, v.Protocol+" "+v.Address, style.State("up"), fmt.Sprintf("%d up", len(servers)),
			terminal.Amount(v.Counters.ConnectionRate), terminal.Ago(now, v.Since))
	}
	return t.String()
}

func virtualServerTable(v api.VirtualServer, now time.Time, style terminal.Style, width int) string {
	word := "down"
	if v.Up {
		word = "up"
	}
	head := fmt.Sprintf("%s  %s %s  %s %s  %s %s  quorum %d  %s conn/s",
		style.Bold(v.Name), v.Protocol, v.Address, v.Scheduler, v.ForwardMethod,
		style.State(word), terminal.Ago(now, v.Since), v.Quorum, terminal.Amount(v.Counters.ConnectionRate))
	if v.Sorry {
		head += "  " + style.Warn("sorry server answers")
	}
	head += "\n"
	if !v.Up && v.Reason != "" {
		head += "  " + wrapped(style.Bad(v.Reason), "    ", max(width-2, 0))
	}
	for _, s := range v.Discover {
		head += "  " + wrapped(discovered(s, now, style), "    ", max(width-2, 0))
	}
	for _, a := range v.Absent {
		head += "  " + wrapped(fmt.Sprintf("%s is not in the pool; when it comes back: %s", a.Address, a.Text), "    ", max(width-2, 0))
	}
	t := newRows("  ", width, heads(style, "REAL SERVER", "STATE", "WEIGHT", "ACTIVE", "INACTIVE", "CONNS", "METHOD", "SINCE", "CHECKS")...)
	for _, r := range v.RealServers {
		name := r.Address
		if r.Sorry {
			name += " (sorry)"
		}
		if r.Source != "" {
			kind, _, _ := strings.Cut(r.Source, " ")
			if len(v.Discover) > 1 {
				kind = r.Source
			}
			name += " (" + kind + ")"
		}
		weight := fmt.Sprint(r.EffectiveWeight)
		if r.EffectiveWeight != r.Weight {
			weight = fmt.Sprintf("%d (configured: %d)", r.EffectiveWeight, r.Weight)
		}
		t.add(r.Reason, name, style.State(r.State), weight, fmt.Sprint(r.ActiveConnections), fmt.Sprint(r.InactiveConnections),
			terminal.Amount(r.Counters.Connections), r.ForwardMethod, terminal.Ago(now, r.Since), checks(r.Checks, style))
	}
	return head + t.String()
}

// discovered is the line of a source of real servers.
func discovered(s api.Discovery, now time.Time, style terminal.Style) string {
	text := fmt.Sprintf("discovered by %s: %d servers", s.Name, s.Servers)
	if s.Servers == 1 {
		text = fmt.Sprintf("discovered by %s: 1 server", s.Name)
	}
	if s.Confirmed != nil {
		text += ", " + terminal.Ago(now, *s.Confirmed) + " ago"
	}
	var doubts []string
	if s.Error != "" {
		doubts = append(doubts, s.Error)
	}
	if s.Held > 0 {
		doubts = append(doubts, fmt.Sprintf("%d stay until the next answer (max_leave)", s.Held))
	}
	if s.Borrowed {
		doubts = append(doubts, "those of a source before it, until it answers")
	}
	for i, l := range s.LeftOut {
		if i == 3 {
			doubts = append(doubts, fmt.Sprintf("%d more left out", len(s.LeftOut)-i))
			break
		}
		doubts = append(doubts, fmt.Sprintf("%s is left out: %s", l.Entry, l.Why))
	}
	if len(doubts) > 0 {
		text += "; " + style.Warn(strings.Join(doubts, "; "))
	}
	return text
}

func checks(list []api.Check, style terminal.Style) string {
	var words []string
	for _, c := range list {
		name := c.Type
		if c.Name != "" {
			name += "/" + c.Name
		}
		word := fmt.Sprintf("%s %s", name, style.State(c.State))
		if c.State == "up" {
			word = fmt.Sprintf("%s %.1fms", name, c.LatencyMS)
		}
		words = append(words, word)
	}
	return dash(strings.Join(words, ", "))
}

func heads(style terminal.Style, words ...string) []string {
	for i := range words {
		words[i] = style.Dim(words[i])
	}
	return words
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
