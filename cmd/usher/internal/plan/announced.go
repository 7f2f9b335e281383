package plan

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"usher/conf"
	"usher/director"
	"usher/director/announce"
	"usher/director/ipvs"
	"usher/vrrp/timespan"
)

// announcements adds what changes of what is announced by BGP, to whom, and of the virtual
// servers that are.
func (p *Plan) announcements(want, from *conf.Config) {
	p.peers(want.Announcing(), from.Announcing())
	olds := map[string]announce.Announcement{}
	for _, a := range from.Announce {
		olds[a.Name] = a
	}
	for _, a := range want.Announce {
		old, known := olds[a.Name]
		delete(olds, a.Name)
		p.announcement(a, old, known)
	}
	for _, a := range from.Announce {
		if _, gone := olds[a.Name]; gone {
			p.announcement(announce.Announcement{Name: a.Name}, a, true)
			p.add(director.ActionRemove, "announce", a.Name, "", "")
		}
	}
	p.moved(want, from)
}

func (p *Plan) add(action director.Action, kind, name, object, effect string, keys ...string) {
	p.Announcements = append(p.Announcements, Change{Action: action, Kind: kind, Instance: name, Object: object, Effect: effect, Keys: keys})
}

// peers compares the speaker and whom it speaks with.
func (p *Plan) peers(want, from announce.Config) {
	if want.Local != from.Local && from.Local.ASN != 0 && want.Local.ASN != 0 {
		p.add(director.ActionEdit, "bgp", "speaker", "", "every session is closed and begun anew", differ(want.Local, from.Local)...)
	}
	olds := map[netip.Addr]announce.Peer{}
	for _, r := range from.Peers {
		olds[r.Address] = r
	}
	for _, r := range want.Peers {
		old, known := olds[r.Address]
		delete(olds, r.Address)
		switch {
		case !known:
			p.add(director.ActionAdd, "peer", r.Address.String(), "", "")
		case old != r:
			effect := "the session is closed and begun anew"
			if keepsSession(r, old) {
				effect = ""
			}
			p.add(director.ActionEdit, "peer", r.Address.String(), "", effect, differ(r, old)...)
		}
	}
	for _, r := range from.Peers {
		if _, gone := olds[r.Address]; gone {
			p.add(director.ActionRemove, "peer", r.Address.String(), "", "the session is closed")
		}
	}
}

// keepsSession says whether two peers differ in nothing that a session depends on: BFD, and
// the next hops where the families stay.
func keepsSession(a, b announce.Peer) bool {
	if a.NextHop4.IsValid() == b.NextHop4.IsValid() {
		a.NextHop4 = b.NextHop4
	}
	if a.NextHop6.IsValid() == b.NextHop6.IsValid() {
		a.NextHop6 = b.NextHop6
	}
	a.BFD = b.BFD
	return a == b
}

// announcement compares one announcement with what it was.
func (p *Plan) announcement(a, old announce.Announcement, known bool) {
	if !known {
		p.add(director.ActionAdd, "announce", a.Name, "", "")
	} else if keys := differ(a, old); len(a.Prefixes) > 0 && len(keys) > 0 {
		p.add(director.ActionEdit, "announce", a.Name, "", "", keys...)
	}
	for _, prefix := range a.Prefixes {
		if !slices.Contains(old.Prefixes, prefix) {
			p.add(director.ActionAdd, "announced address", a.Name, prefix.String(), fmt.Sprintf("announced once all has been well for %s", timespan.Text(a.Times.UpDelay)))
		}
	}
	for _, prefix := range old.Prefixes {
		if !slices.Contains(a.Prefixes, prefix) {
			p.add(director.ActionRemove, "announced address", a.Name, prefix.String(),
				fmt.Sprintf("withdrawn in %s, and forwarded for %s more", timespan.Text(old.Times.DrainTimeout), timespan.Text(old.Times.Linger)))
		}
	}
}

// words are the keys of fields that are not called as they are.
var words = map[string]string{
	"ASN": "asn", "RouterID": "router_id", "GracefulRestart": "graceful_restart", "Source": "source", "Port": "port", "HoldTime": "hold_time",
	"Password": "password", "TTLSecurity": "ttl_security", "MultiHop": "multihop", "NextHop4": "next_hop4", "NextHop6": "next_hop6", "BFD": "bfd",
	"Pools": "virtual_servers", "Require": "require", "Times": "up_delay, drain_timeout or linger", "Communities": "communities", "MED": "med",
	"Instance": "instance", "Interfaces": "track_interface",
}

// differ names the keys that differ, addresses apart, which have lines of their own.
func differ(a, b any) (keys []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if word := words[x.Type().Field(i).Name]; word != "" && !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			keys = append(keys, word)
		}
	}
	return keys
}

// moved tells of virtual servers that several directors serve and whose servers change: until
// all directors have the change, they pick different servers for some flows; and of those
// that lose every flow that routers move.
func (p *Plan) moved(want, from *conf.Config) {
	olds := map[string]*conf.VirtualServer{}
	for i := range from.VirtualServers {
		olds[from.VirtualServers[i].Name] = &from.VirtualServers[i]
	}
	announced, before := want.Announced(), from.Announced()
	for i := range want.VirtualServers {
		v := &want.VirtualServers[i]
		old := olds[v.Name]
		if announced[v.Name] == "" || old != nil && reflect.DeepEqual(old.VirtualServer, v.VirtualServer) && before[v.Name] != "" {
			continue
		}
		for _, text := range want.LosesText(v) {
			p.Warnings = append(p.Warnings, Warning{VirtualServer: v.Name, Text: text})
		}
		if old == nil || before[v.Name] == "" {
			continue
		}
		var what []string
		if !reflect.DeepEqual(old.Real, v.Real) {
			what = append(what, "these servers")
		}
		if old.Service.Scheduler != v.Service.Scheduler || old.Service.Flags != v.Service.Flags {
			what = append(what, "this scheduler")
		}
		if len(what) > 0 {
			p.Warnings = append(p.Warnings, Warning{VirtualServer: v.Name, Text: fmt.Sprintf(
				"until every director that announces it has %s, a connection that routers move meanwhile may be reset: reload them all within the same minute", strings.Join(what, " and "))})
		}
	}
	p.services(want, from)
}

// services tells of services that go while their address stays announced: routers go on
// sending, and what they move meanwhile finds a service that takes nothing new.
func (p *Plan) services(want, from *conf.Config) {
	stays, announced := map[ipvs.ServiceKey]bool{}, map[netip.Addr]bool{}
	for i := range want.VirtualServers {
		for _, key := range want.VirtualServers[i].Keys {
			stays[key.Canonical()] = true
		}
	}
	for _, a := range want.Announce {
		for _, prefix := range a.Prefixes {
			announced[prefix.Addr()] = true
		}
	}
	for i := range from.VirtualServers {
		v := &from.VirtualServers[i]
		for _, key := range v.Keys {
			if announced[key.Address.Unmap()] && !stays[key.Canonical()] {
				p.Warnings = append(p.Warnings, Warning{VirtualServer: v.Name, Text: fmt.Sprintf(
					"%s goes while its address stays announced: its connections have %s to end; those that are left then, and those that routers move to another director meanwhile, are lost", key, timespan.Text(v.DrainTimeout))})
			}
		}
	}
}
