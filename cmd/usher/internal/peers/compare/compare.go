// Package compare says where the directors of a group differ: parts of their
// configurations, servers that one reaches and another does not, instances that are active
// twice, directors that are not heard. It is pure: it is told what each director said, and
// what time it is. What it finds is for people alone; nothing acts by it.
package compare

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/internal/peers/share"
)

// Kind is what a finding is about.
type Kind string

// The kinds.
const (
	Config Kind = "config" // a part of the configuration is not the same
	Health Kind = "health" // a real server is down for one director and up for another
	Pool   Kind = "pool"   // a pool that both announce picks other servers there
	Active Kind = "active" // an instance is active on two directors
	Absent Kind = "absent" // a director is not heard
)

// How a finding differs between this director and the other.
type How uint8

// The ways.
const (
	Differs How = iota
	Here        // a part that is only here, a server that is down here
	There       // a part that is only there, a server that is down there
)

// Finding is one difference between this director and another. It is comparable: the same
// difference a second later is the same finding.
type Finding struct {
	Kind   Kind
	Name   string         // the part, virtual server or instance
	Server netip.AddrPort // of Health
	Peer   string         // the other director; of Active all that are, this one included, sorted and with ", " between them
	How    How
}

func (f Finding) compare(o Finding) int {
	return cmp.Or(cmp.Compare(f.Kind, o.Kind), cmp.Compare(f.Name, o.Name), f.Server.Compare(o.Server), cmp.Compare(f.How, o.How), cmp.Compare(f.Peer, o.Peer))
}

// Self is this director.
type Self struct {
	Name     string
	Document share.Document
	// Parts are the digests of this director's configuration by the names of the keys that
	// they may be made with; a peer's are compared with those of the same key.
	Parts map[string]map[string]string
	// Patience is how long directors may see a server of a virtual server differently
	// because they probe at different moments; nil for Least everywhere.
	Patience func(virtualServer string) time.Duration
}

// Peer is another director.
type Peer struct {
	Name     string // or its address, while no name is known
	Up       bool
	Document *share.Document // nil before the first
}

// Look gives all findings of a moment, sorted, and for each virtual server how many of the
// others have the same one, so that what they say of its servers can be compared. What an
// absent director said last is not compared: it is old.
func Look(self Self, peers []Peer) (found []Finding, comparable map[string]int) {
	comparable = map[string]int{}
	here := opinions(self.Document.Down)
	for _, p := range peers {
		if !p.Up {
			found = append(found, Finding{Kind: Absent, Peer: p.Name})
			continue
		}
		if p.Document == nil {
			continue
		}
		if ok, _ := self.Comparable(p.Document); ok {
			found = append(found, self.parts(p.Name, p.Document)...)
			found = append(found, self.health(p.Name, p.Document, here, comparable)...)
			found = append(found, self.pools(p.Name, p.Document, found)...)
		}
	}
	found = append(found, active(self, peers)...)
	slices.SortFunc(found, Finding.compare)
	return found, comparable
}

// Comparable says whether the parts of another's configuration can be compared with this
// one's, and why not: another version has other keys, or it made them with another key.
func (s *Self) Comparable(d *share.Document) (ok bool, why string) {
	switch {
	case d.Form != s.Document.Form:
		return false, "its version has other keys or defaults"
	case s.Parts[d.PartsKey] == nil:
		return false, "its peers key is another"
	}
	return true, ""
}

// setOf is the part that says which servers were discovered for a virtual server: those
// come and go, and are no difference of the configuration.
const setOf = "discovered "

// SetOf is the name of the part with the discovered servers of a virtual server.
func SetOf(virtualServer string) string { return setOf + virtualServer }

// PartOf is the name of the part of a virtual server.
func PartOf(virtualServer string) string { return "virtual_server " + virtualServer }

// maxEach is how many parts of another's configuration are told apart that differ, those of
// the first names: where so many differ, it is another configuration.
const maxEach = 200

// parts compares the parts of another director's configuration.
func (s *Self) parts(peer string, d *share.Document) (found []Finding) {
	own := s.Parts[d.PartsKey]
	say := func(name string, how How) {
		found = append(found, Finding{Kind: Config, Name: name, How: how, Peer: peer})
	}
	for name, digest := range own {
		switch theirs, has := d.Parts[name]; {
		case strings.HasPrefix(name, setOf):
		case !has && d.PartsCut == 0:
			say(name, Here)
		case has && theirs != digest:
			say(name, Differs)
		}
	}
	for name := range d.Parts {
		if _, has := own[name]; !has && !strings.HasPrefix(name, setOf) {
			say(name, There)
		}
	}
	if len(found) > maxEach {
		slices.SortFunc(found, Finding.compare)
		found = found[:maxEach]
	}
	return found
}

type server struct {
	virtualServer string
	address       netip.AddrPort
}

// health compares what two directors say of the servers of the virtual servers that both
// have alike. Only down and up are opinions: who has not probed a server yet has none.
func (s *Self) health(peer string, d *share.Document, here map[server]string, comparable map[string]int) (found []Finding) {
	if d.DownCut > 0 || s.Document.DownCut > 0 {
		return nil // too many to be told one by one
	}
	own := s.Parts[d.PartsKey]
	alike := func(virtualServer string) bool {
		part, set := PartOf(virtualServer), SetOf(virtualServer)
		digest, has := own[part]
		return has && d.Parts[part] == digest && d.Parts[set] == own[set]
	}
	there := opinions(d.Down)
	counted := map[string]bool{}
	say := func(of server, how How) {
		found = append(found, Finding{Kind: Health, Name: of.virtualServer, Server: of.address, Peer: peer, How: how})
	}
	for of, state := range here {
		if _, told := there[of]; state == down && !told && alike(of.virtualServer) {
			say(of, Here)
		}
		counted[of.virtualServer] = true
	}
	for of, state := range there {
		if _, told := here[of]; state == down && !told && alike(of.virtualServer) {
			say(of, There)
		}
		counted[of.virtualServer] = true
	}
	for name := range counted {
		if alike(name) {
			comparable[name]++
		}
	}
	return found
}

// pools compares the fingerprints of what both announce. Where the file differs, or what
// they see of the servers, that is the reason, and told of by itself in found.
func (s *Self) pools(peer string, d *share.Document, found []Finding) (more []Finding) {
	for name, print := range s.Document.Pools {
		theirs, has := d.Pools[name]
		told := func(f Finding) bool {
			return f.Peer == peer && (f.Kind == Health && f.Name == name || f.Kind == Config && f.Name == PartOf(name))
		}
		if has && theirs != print && !slices.ContainsFunc(found, told) {
			more = append(more, Finding{Kind: Pool, Name: name, Peer: peer})
		}
	}
	return more
}

const down = "down"

func opinions(list []share.Health) map[server]string {
	all := make(map[server]string, len(list))
	for _, h := range list {
		all[server{h.VirtualServer, h.RealServer}] = h.State
	}
	return all
}

// active finds the instances that two directors or more are active for.
func active(self Self, peers []Peer) (found []Finding) {
	type router struct {
		name string
		id   int
	}
	on := map[router][]string{}
	add := func(name string, d *share.Document) {
		for _, r := range d.Roles {
			if r.State == "active" {
				of := router{r.Instance, r.VirtualRouterID}
				on[of] = append(on[of], name)
			}
		}
	}
	add(self.Name, &self.Document)
	for _, p := range peers {
		if p.Up && p.Document != nil {
			add(p.Name, p.Document)
		}
	}
	for of, names := range on {
		if len(names) > 1 {
			slices.Sort(names)
			found = append(found, Finding{Kind: Active, Name: of.name, Peer: strings.Join(names, ", ")})
		}
	}
	return found
}
