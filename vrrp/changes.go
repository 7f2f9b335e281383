package vrrp

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Effect is what a change of a key does to an instance that runs, worst last.
type Effect uint8

// The effects.
const (
	// Quiet: it goes on as it was, active or backup.
	Quiet Effect = iota
	// Weighs: an election may come out otherwise, and then the addresses are handed over.
	Weighs
	// Parts: routers whose values differ discard each other's adverts. Until the peers have
	// the new one, each side has an active router of its own.
	Parts
	// Anew: to its peers it becomes another virtual router. It resigns, and nobody holds
	// the new one's addresses before a whole election.
	Anew
)

// String gives the effect for people, "" for Quiet.
func (e Effect) String() string {
	switch e {
	case Weighs:
		return "may hand the addresses over"
	case Parts:
		return "two directors are active until the others have it as well"
	case Anew:
		return "resigns and is elected anew, as another virtual router"
	}
	return ""
}

// Drops says whether connections through the addresses are lost where the instance is
// active.
func (e Effect) Drops() bool { return e >= Parts }

// KeyChange is one key in which two configurations of an instance differ.
type KeyChange struct {
	Key    string // as in the JSON form of Config
	Effect Effect
	// From and To are the values, where they are short and no secrets; else both are "".
	From, To string
}

// effects says for each key of a Config what a change of it does. Both a reload and what
// a plan says of it go by this table.
func effects() map[string]func(a, b Config) Effect {
	always := func(e Effect) func(a, b Config) Effect { return func(Config, Config) Effect { return e } }
	when := func(e Effect, cond func(a, b Config) bool) func(a, b Config) Effect {
		return func(a, b Config) Effect {
			if cond(a, b) {
				return e
			}
			return Quiet
		}
	}
	version2 := func(_, b Config) bool { return b.Version == 2 }
	unicast := func(_, b Config) bool { return b.Unicast != nil }
	return map[string]func(a, b Config) Effect{
		"name":              always(Anew),
		"interface":         always(Anew),
		"vrf":               always(Anew),
		"virtual_router_id": always(Anew),
		"version":           always(Anew),
		"virtual_mac":       always(Anew),
		"multicast_group4":  when(Anew, func(a, b Config) bool { return a.Group(false) != b.Group(false) }),
		"multicast_group6":  when(Anew, func(a, b Config) bool { return a.Group(true) != b.Group(true) }),
		"unicast": func(a, b Config) Effect {
			if a.Unicast == nil || b.Unicast == nil {
				return Anew
			}
			return unicastEffect(*a.Unicast, *b.Unicast)
		},
		"addresses": func(a, b Config) Effect {
			switch {
			case a.Runs(false) != b.Runs(false), a.Runs(true) != b.Runs(true):
				return Anew
			case b.Version == 2: // RFC 3768 section 7.1: others than usher may discard for a list that differs
				return Parts
			}
			return Quiet
		},
		"no_virtual_addresses": always(Anew),
		"advert_interval":      when(Parts, version2), // RFC 3768 section 7.1, likewise
		"password":             always(Parts),
		"hmac":                 hmacEffect,
		"source4":              when(Parts, unicast), // peers know each other by it
		"source6":              when(Parts, unicast),
		"priority":             always(Weighs),
		"preempt":              always(Weighs),
		"preempt_delay":        always(Quiet),
		"track":                trackEffect,
		"down_timer_adverts":   always(Quiet),
		"startup_delay":        always(Quiet),
		"routes":               always(Quiet),
		"rules":                always(Quiet),
		"bind":                 always(Quiet),
		"lease":                always(Quiet),
		"interface_up_delay":   always(Quiet),
		"interface_down_delay": always(Quiet),
		"dont_track_primary":   always(Quiet),
		"accept":               always(Quiet),
		"checksum":             always(Quiet), // both forms are accepted
		"announce":             always(Quiet),
		"witness":              always(Quiet),
	}
}

// unicastEffect: a peer more is sent adverts, too, and changes nothing between the
// others. One less is heard no more; and TTLs are a reason to discard where they are
// outside of what the other side asks for, which is taken to be configured alike.
func unicastEffect(a, b Unicast) Effect {
	for _, old := range a.Peers {
		i := slices.IndexFunc(b.Peers, func(p Peer) bool { return p.Address == old.Address })
		if i < 0 || !b.Peers[i].takes(a.TTL) || !old.takes(b.TTL) {
			return Parts
		}
	}
	return Quiet
}

// takes says whether adverts of a TTL, 0 for 255, are within the peer's bounds.
func (p Peer) takes(ttl uint8) bool {
	return cmp.Or(ttl, 255) >= p.MinTTL && cmp.Or(ttl, 255) <= cmp.Or(p.MaxTTL, 255)
}

// trackEffect: how often something is looked at, and how long a change has to last to
// count, says nothing else of it than was known before.
func trackEffect(a, b Config) Effect {
	plain := func(tracks []Track) (all []Track) {
		for _, t := range tracks {
			t.Interval, t.Rise, t.Fall, t.UpDelay, t.DownDelay, t.Initial = 0, 0, 0, 0, 0, ""
			all = append(all, t)
		}
		return all
	}
	if reflect.DeepEqual(plain(a.Track), plain(b.Track)) {
		return Quiet
	}
	return Weighs
}

// Changes names the keys in which two configurations of an instance differ, in the
// order of Config, and what each does.
func Changes(a, b Config) (all []KeyChange) {
	known := effects()
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			continue
		}
		key := keyOf(va.Type().Field(i))
		c := KeyChange{Key: key, Effect: known[key](a, b)}
		if key != "password" {
			c.From, c.To = short(va.Field(i)), short(vb.Field(i))
		}
		all = append(all, c)
	}
	return all
}

// short writes a number, a flag, a duration, a word or an address: "" for what is none
// of these, or is not given.
func short(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case netip.Addr:
		if x.IsValid() {
			return x.String()
		}
	case string:
		return x
	case bool, int, uint8:
		return fmt.Sprint(x)
	}
	return ""
}

func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return key
}

// SameRouter says whether a changed configuration is still that of the same virtual
// router to its peers, so that it keeps its state.
func SameRouter(a, b Config) bool {
	return !slices.ContainsFunc(Changes(a, b), func(c KeyChange) bool { return c.Effect == Anew })
}
