package cli

import (
	"fmt"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/terminal"
)

// statusTable is `usher status` for people: what needs a look first, then the
// instances, then each virtual server with its real servers.
func statusTable(s api.Status, now time.Time, style terminal.Style) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  usher %s, up %s\n", style.Bold(s.RouterID), s.Version, terminal.Ago(now, s.Started))
	if s.Maintenance {
		b.WriteString(style.Warn("maintenance is on: no instance becomes active") + "\n")
	}
	for _, w := range s.Warnings {
		mark := style.Warn("warning:")
		if w.Severity == "error" {
			mark = style.Bad("error:")
		}
		subject := ""
		if w.Subject != "" {
			subject = w.Subject + ": "
		}
		fmt.Fprintf(&b, "%s %s%s %s\n", mark, subject, w.Text, style.Dim("("+terminal.Ago(now, w.Since)+")"))
	}
	if len(s.Instances) > 0 {
		b.WriteString("\n" + instanceTable(s.Instances, now, style))
	}
	for _, v := range s.VirtualServers {
		b.WriteString("\n" + virtualServerTable(v, now, style))
	}
	if len(s.Settings) > 0 {
		b.WriteString("\n" + settingTable(s.Settings, style))
	}
	if len(s.Instances)+len(s.VirtualServers) == 0 {
		b.WriteString("\nnothing is configured\n")
	}
	return b.String()
}

func instanceTable(list []api.Instance, now time.Time, style terminal.Style) string {
	var t terminal.Table
	t.Row(heads(style, "INSTANCE", "STATE", "PRIORITY", "VRID", "INTERFACE", "ACTIVE ROUTER", "SINCE", "ADDRESSES", "REASON")...)
	for _, i := range list {
		priority := fmt.Sprint(i.EffectivePriority)
		if i.EffectivePriority != i.Priority {
			priority = fmt.Sprintf("%d (of %d)", i.EffectivePriority, i.Priority)
		}
		t.Row(i.Name, style.State(i.State), priority, fmt.Sprint(i.VirtualRouterID), dash(i.Interface),
			dash(i.ActiveRouter), terminal.Ago(now, i.Since), addresses(i.Addresses), style.Dim(i.Reason))
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

func virtualServerTable(v api.VirtualServer, now time.Time, style terminal.Style) string {
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
	if !v.Up && v.Reason != "" {
		head += "  " + v.Reason
	}
	t := terminal.Table{Indent: "  "}
	t.Row(heads(style, "REAL SERVER", "STATE", "WEIGHT", "ACTIVE", "INACTIVE", "CONNS", "METHOD", "SINCE", "CHECKS", "REASON")...)
	for _, r := range v.RealServers {
		name := r.Address
		if r.Sorry {
			name += " (sorry)"
		}
		weight := fmt.Sprint(r.EffectiveWeight)
		if r.EffectiveWeight != r.Weight {
			weight = fmt.Sprintf("%d (of %d)", r.EffectiveWeight, r.Weight)
		}
		t.Row(name, style.State(r.State), weight, fmt.Sprint(r.ActiveConnections), fmt.Sprint(r.InactiveConnections),
			terminal.Amount(r.Counters.Connections), r.ForwardMethod, terminal.Ago(now, r.Since), checks(r.Checks, style), reason(r))
	}
	return head + "\n" + t.String()
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

func reason(r api.RealServer) string {
	text := r.Reason
	if o := r.Override; o != nil {
		said := o.Mode
		if o.Mode == "weight" {
			said = fmt.Sprintf("weight %d", o.Weight)
		}
		said += " by " + dash(o.By)
		text = strings.TrimPrefix(text+"; "+said, "; ")
	}
	return text
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
