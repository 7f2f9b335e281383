package compare

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Warning is what lasts in words for people, with what to do about it.
type Warning struct {
	Kind    Kind
	Subject string // the virtual server, real server, instance or other part; "" for several
	Text    string
	Since   time.Time
	// Directors are those that it is about besides this one, sorted; of Active all that are active.
	Directors []string
	Servers   int      // how many real servers it is about
	Parts     []string // of the configuration that it is about
}

// most is how many names a text has, and how many parts of a configuration that differ on
// the same directors have a warning each.
const most = 3

// Warnings puts what lasts into words, differences of the same kind on the same directors
// together where they are many: a director whose link to the servers is cut is one warning.
// comparable is Look's, reason says why a server is down there, "" for not known.
func Warnings(self Self, lasting []Lasting, comparable map[string]int, reason func(Finding) string) (all []Warning) {
	all = append(all, activeWarnings(lasting)...)
	all = append(all, configWarnings(lasting)...)
	all = append(all, poolWarnings(lasting)...)
	return append(all, healthWarnings(lasting, comparable, reason)...)
}

// group are the names for which the same directors see the same difference.
type group struct {
	how   How
	peers string
}

// gather puts findings of a kind that are of one thing together, and those things that
// differ in the same way on the same directors.
func gather(lasting []Lasting, kind Kind) (order []group, things map[group][]Lasting) {
	on := map[Finding][]Lasting{} // by what is found, without Peer
	var all []Finding
	for _, l := range lasting {
		if l.Kind != kind {
			continue
		}
		of := l.Finding
		of.Peer = ""
		if on[of] == nil {
			all = append(all, of)
		}
		on[of] = append(on[of], l)
	}
	things = map[group][]Lasting{}
	for _, of := range all {
		var names []string
		since := on[of][0].Since
		for _, l := range on[of] {
			names = append(names, l.Peer)
			if l.Since.Before(since) {
				since = l.Since
			}
		}
		slices.Sort(names)
		g := group{of.How, strings.Join(names, ", ")}
		if things[g] == nil {
			order = append(order, g)
		}
		l := Lasting{of, since}
		l.Peer = g.peers
		things[g] = append(things[g], l)
	}
	return order, things
}

func activeWarnings(lasting []Lasting) (all []Warning) {
	for _, l := range lasting {
		if l.Kind == Active {
			all = append(all, Warning{Kind: Active, Subject: l.Name, Since: l.Since, Directors: strings.Split(l.Peer, ", "),
				Text: fmt.Sprintf("%s are active at the same time, and each holds the addresses: their advertisements do not reach each other; look at the network between them on the instance's interface, and for a filter that drops VRRP (IP protocol 112)", and(l.Peer))})
		}
	}
	return all
}

func configWarnings(lasting []Lasting) (all []Warning) {
	order, things := gather(lasting, Config)
	for _, g := range order {
		list := things[g]
		where := and(g.peers)
		say := func(subject, what, verb string, parts []string, since time.Time) {
			text := map[How]string{
				Differs: fmt.Sprintf("%s %s on %s: not all directors have the same file; compare them, give all the same, then usher reload", what, verb, where),
				Here:    fmt.Sprintf("%s %s here and not on %s: give all directors the same, then usher reload", what, verb, where),
				There:   fmt.Sprintf("%s %s on %s and not here: give all directors the same, then usher reload", what, verb, where),
			}[g.how]
			all = append(all, Warning{Kind: Config, Subject: subject, Text: text, Since: since, Directors: strings.Split(g.peers, ", "), Parts: parts})
		}
		is, are := "is", "are"
		if g.how == Differs {
			is, are = "differs", "differ"
		}
		if len(list) <= most {
			for _, l := range list {
				_, subject, _ := strings.Cut(l.Name, " ")
				say(subject, l.Name, is, []string{l.Name}, l.Since)
			}
			continue
		}
		var names []string
		since := list[0].Since
		for _, l := range list {
			names = append(names, l.Name)
			if l.Since.Before(since) {
				since = l.Since
			}
		}
		number := fmt.Sprint(len(list))
		if len(list) >= maxEach {
			number += " parts or more"
		} else {
			number += " parts"
		}
		say("", fmt.Sprintf("%s of the configuration (%s)", number, few(names)), are, names, since)
	}
	return all
}

func poolWarnings(lasting []Lasting) (all []Warning) {
	order, things := gather(lasting, Pool)
	for _, g := range order {
		for _, l := range things[g] {
			all = append(all, Warning{Kind: Pool, Subject: l.Name, Since: l.Since, Directors: strings.Split(g.peers, ", "),
				Text: fmt.Sprintf("the pool of %s, which is announced, picks other servers on %s, so that connections are lost that routers move: the order of its servers in the files, what was discovered, a weight or an override differs; compare usher status there and here", l.Name, and(g.peers))})
		}
	}
	return all
}

func healthWarnings(lasting []Lasting, comparable map[string]int, reason func(Finding) string) (all []Warning) {
	order, things := gather(lasting, Health)
	for _, g := range order {
		list := things[g]
		peers := strings.Split(g.peers, ", ")
		where := and(g.peers)
		w := Warning{Kind: Health, Since: list[0].Since, Servers: len(list), Directors: peers}
		var names []string
		pools, alone := map[string]bool{}, true
		for _, l := range list {
			names = append(names, l.Name+" "+l.Server.String())
			pools[l.Name] = true
			alone = alone && len(peers) >= comparable[l.Name]
			if l.Since.Before(w.Since) {
				w.Since = l.Since
			}
		}
		what := "down"
		switch {
		case len(list) == 1:
			w.Subject = names[0]
		case len(pools) == 1:
			w.Subject = list[0].Name
		}
		if len(list) > 1 {
			what = fmt.Sprintf("%d real servers (%s) are down", len(list), few(names))
		}
		why := reason(list[0].Finding)
		if why != "" {
			why = " (" + why + ")"
		}
		has := "has"
		if len(peers) > 1 {
			has = "have"
		}
		it := "it"
		if len(list) > 1 {
			it = "them"
		}
		switch {
		case g.how == Here && alone:
			w.Text = fmt.Sprintf("%s only here%s: %s %s %s up; look at this director's way there: link, address, route, filter", what, why, where, has, it)
		case g.how == Here:
			w.Text = fmt.Sprintf("%s here%s, and up on %s; look at this director's way there: link, address, route, filter", what, why, where)
		case len(peers) == 1:
			w.Text = fmt.Sprintf("%s only on %s%s: this director has %s up; look at the way there from %s: link, address, route, filter", what, where, why, it, where)
		default:
			w.Text = fmt.Sprintf("%s on %s%s, and up here; look at the way there from them: link, address, route, filter", what, where, why)
		}
		all = append(all, w)
	}
	return all
}

// few names some and counts the rest.
func few(names []string) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// and makes "a, b and c" of "a, b, c".
func and(list string) string {
	if i := strings.LastIndex(list, ", "); i >= 0 {
		return list[:i] + " and " + list[i+2:]
	}
	return list
}
