package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/terminal"
)

// errAlone is for a look at all directors where this one knows no others.
var errAlone = errors.New("this director knows no others: its configuration has no block peers (usher status shows itself)")

// allJSON is the part of the daemon's status document with every director.
func allJSON(raw json.RawMessage) (json.RawMessage, error) {
	var s struct {
		Directors json.RawMessage `json:"directors"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("the daemon's status: %w", err)
	}
	if s.Directors == nil {
		return nil, errAlone
	}
	return s.Directors, nil
}

// directorsTable is `usher status --all`: whether a person is needed, then every director,
// then who has which instance. width is the terminal's in columns, 0 where there is none.
func directorsTable(s api.Status, now time.Time, style terminal.Style, width int) string {
	var b strings.Builder
	b.WriteString(verdictLine(s, style) + "\n")
	for _, w := range s.Warnings {
		if aboutDirectors(w.Kind) {
			b.WriteString(warningLine(w, now, style, width))
		}
	}
	for _, a := range s.Directors.BothActive {
		b.WriteString(wrapped(style.Bad("ACTIVE ON "+fmt.Sprint(len(a.Directors))+" DIRECTORS:")+" "+style.Bold(a.Instance)+" on "+strings.Join(a.Directors, ", "), "  ", width))
	}
	t := newRows("", width, heads(style, "DIRECTOR", "STATE", "HEARD", "VERSION", "ACTIVE FOR", "REAL SERVERS", "DIFFERS")...)
	for _, d := range s.Directors.Directors {
		directorRow(t, d, now, style)
	}
	b.WriteString("\n" + t.String())
	if text := rolesTable(s.Directors, now, style); text != "" {
		b.WriteString("\n" + text)
	}
	return b.String()
}

// othersLine names the other directors and their states.
func othersLine(d *api.Directors) string {
	var words []string
	for _, o := range d.Directors {
		if !o.Self {
			words = append(words, o.Shown()+" "+o.StateWord())
		}
	}
	if len(words) == 0 {
		return "no other is known"
	}
	return strings.Join(firstOf(words, 8), ", ")
}

// aboutDirectors says whether a kind of warning is of what directors know of each other.
func aboutDirectors(kind string) bool {
	return slices.Contains([]string{"peers", "peer_absent", "peer_refused", "peer_active", "config_differs", "health_differs", "pool_differs"}, kind)
}

// directorRow adds a director. What is shown of one that is not heard is old.
func directorRow(t *rows, d api.Director, now time.Time, style terminal.Style) {
	state, heard := style.State(d.StateWord()), "here"
	why := d.Why
	switch {
	case !d.Up:
		state, why = style.Bad(d.StateWord()), style.Warn(why)
		heard = "never"
	case !d.Self:
		heard = "-"
	}
	if d.Heard != nil {
		heard = terminal.Ago(now, *d.Heard) + " ago"
	}
	servers, differs := "-", strings.Join(firstOf(d.Differs, 3), ", ")
	if d.RealServers > 0 {
		servers = fmt.Sprintf("%d of %d up", d.RealServersUp, d.RealServers)
	}
	active := d.In("active")
	if d.NotCompared != "" {
		differs = "not compared: " + d.NotCompared
	}
	name := style.Bold(d.Shown())
	if !d.Up && d.Heard != nil {
		active = append(active, "(old)")
	}
	t.add(why, name, state, heard, dash(d.Version), dash(strings.Join(firstOf(active, 4), ", ")), servers, dash(style.Warn(differs)))
}

// firstOf are the first of a list, and how many more there are.
func firstOf(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(slices.Clone(list[:n]), fmt.Sprintf("%d more", len(list)-n))
}

// rolesTable has a row for each instance and a column for each director.
func rolesTable(all *api.Directors, now time.Time, style terminal.Style) string {
	names := map[string]bool{}
	for _, d := range all.Directors {
		for _, i := range d.Instances {
			names[i.Name] = true
		}
	}
	if len(names) == 0 {
		return ""
	}
	head := []string{"INSTANCE"}
	for _, d := range all.Directors {
		head = append(head, strings.ToUpper(d.Shown()))
	}
	t := newRows("", 0, heads(style, head...)...)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		cells := []string{name}
		twice := slices.ContainsFunc(all.BothActive, func(b api.BothActive) bool { return b.Instance == name })
		for _, d := range all.Directors {
			cells = append(cells, roleCell(d, name, twice, now, style))
		}
		why := ""
		if twice {
			why = style.Bad("two directors hold its addresses")
		}
		t.add(why, cells...)
	}
	return t.String()
}

// roleCell is what a director does for an instance.
func roleCell(d api.Director, name string, twice bool, now time.Time, style terminal.Style) string {
	at := slices.IndexFunc(d.Instances, func(i api.DirectorRole) bool { return i.Name == name })
	if at < 0 {
		return "-"
	}
	i := d.Instances[at]
	word := i.State
	if d.Maintenance && word == "initialize" {
		word = "maintenance"
	}
	text := fmt.Sprintf("%s (%d)", style.State(word), i.Priority)
	switch {
	case !d.Up:
		age := "old"
		if d.Heard != nil {
			age = terminal.Ago(now, *d.Heard) + " old"
		}
		return style.Dim(fmt.Sprintf("was %s, %s", word, age))
	case twice && i.State == "active":
		return style.Bad("ACTIVE") + fmt.Sprintf(" (%d)", i.Priority)
	}
	return text
}
