package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/peers/share"
	"usher/conf"
	"usher/director"
	"usher/vrrp/timespan"
)

// steering is what operators say of real servers.
type steering struct{ *current }

// Steer does what an operator says of a real server.
func (d *steering) Steer(ctx context.Context, s api.Steer) (string, error) {
	address, err := netip.ParseAddrPort(s.RealServer)
	if err != nil {
		return "", &refusedError{fmt.Sprintf("real server %q is no address:port", s.RealServer)}
	}
	now := time.Now()
	o := director.Override{Since: now, By: s.By, Reason: s.Reason}
	if err := sound(s); err != nil {
		return "", err
	}
	if s.ForSeconds > 0 {
		o.Until = now.Add(time.Duration(s.ForSeconds) * time.Second)
	}
	switch s.Mode {
	case "drain":
		o.Mode = director.OverrideDrain
	case "disable":
		o.Mode = director.OverrideDisable
	case "weight":
		if *s.Weight < 0 || *s.Weight > 65535 {
			return "", &refusedError{fmt.Sprintf("weight %d is not in 0..65535", *s.Weight)}
		}
		o.Mode, o.Weight = director.OverrideWeight, *s.Weight
	case "enable":
		o.Mode = director.OverrideNone
	}
	c := d.now().serving
	i := slices.IndexFunc(c.VirtualServers, func(v conf.VirtualServer) bool { return v.Name == s.VirtualServer })
	if i < 0 {
		return "", unknown("virtual server", s.VirtualServer, names(c.VirtualServers, func(v conf.VirtualServer) string { return v.Name }))
	}
	if err := d.known(&c.VirtualServers[i], address, s); err != nil {
		return "", err
	}
	dir := d.now().director
	if effect := dir.Empties(s.VirtualServer, address, o); effect != "" && !s.Force {
		return "", &refusedError{fmt.Sprintf("%s would be left without a real server that takes new connections, %s is the last: %s; nothing was changed (usher %s --force does it all the same, \"force\": true in the API)",
			s.VirtualServer, address, effect, s.Mode)}
	}
	key := share.Key{VirtualServer: s.VirtualServer, RealServer: address}
	group := d.now().peers
	var unkept error
	if s.Local {
		unkept = group.Local(key)
	}
	effect, err := dir.Override(s.VirtualServer, address, o)
	if err != nil {
		return "", err
	}
	text := confirmation(s, o, effect)
	if loses := losesMoved(c, s.VirtualServer, o.Mode); loses != "" {
		text += "; " + loses
	}
	if s.Local {
		if unkept != nil {
			text += fmt.Sprintf("; but the state folder does not hold that it is for this director alone: %v", unkept)
		}
		return text + "; on this director alone", nil
	}
	if others := group.Say(ctx, key, o).Text(); others != "" {
		text += "; " + others
	}
	return text, nil
}

// known is nil for a server that an order can be about: one that the virtual server has,
// or one that is away. Of a discovered one that is not listed at present, what is said
// holds when it is back; a name that was never listed is a slip of the pen, more likely.
func (d *steering) known(v *conf.VirtualServer, address netip.AddrPort, s api.Steer) error {
	servers := slices.Concat(v.Real, v.Sorry)
	if slices.ContainsFunc(servers, func(r director.RealServer) bool { return r.Address == address }) {
		return nil
	}
	all := d.now().director.Status()
	if at := slices.IndexFunc(all, func(o director.VirtualServerStatus) bool { return o.Name == v.Name }); at >= 0 &&
		slices.ContainsFunc(all[at].Absent, func(a director.AbsentServer) bool { return a.Address == address }) {
		return nil // there is something to lift, or to be said anew
	}
	err := unknown("real server of "+v.Name, s.RealServer, names(servers, func(r director.RealServer) string { return r.Address.String() }))
	if len(v.Discover) == 0 || s.Mode == "enable" {
		return err
	}
	if _, lately := d.now().discovery.Left(v.Name, address); lately || s.Force {
		return nil
	}
	return &unknownError{fmt.Sprintf("%s, and no source has listed it within the last week (usher %s --force has it hold from when one does, \"force\": true in the API)", err, s.Mode)}
}

// longestOverride bounds the end of an override, in seconds: what shall hold for longer
// has none.
const longestOverride = 366 * 24 * 3600

// sound looks at the end and the reason of an order.
func sound(s api.Steer) error {
	switch {
	case s.Mode == "enable" && (s.ForSeconds != 0 || s.Reason != ""):
		return &refusedError{"enable lifts what was said of a server: it has neither an end nor a reason"}
	case s.ForSeconds < 0 || s.ForSeconds > longestOverride:
		return &refusedError{fmt.Sprintf("an end after %d seconds is not in 1..%d", s.ForSeconds, longestOverride)}
	case len(s.Reason) > 200:
		return &refusedError{fmt.Sprintf("a reason of %d bytes is longer than 200", len(s.Reason))}
	case !utf8.ValidString(s.Reason) || strings.ContainsFunc(s.Reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		return &refusedError{"the reason is not one line of printable characters"}
	}
	return nil
}

// confirmation tells what an override does, in a line for whoever asked for it.
func confirmation(s api.Steer, o director.Override, e director.Effect) string {
	text := s.VirtualServer + " " + s.RealServer
	if e.Absent {
		return text + absent(o, e) + ending(o, e)
	}
	weight := fmt.Sprintf("weight %d -> %d", e.Before, e.After)
	switch o.Mode {
	case director.OverrideDrain:
		if e.Deadline.IsZero() {
			text += fmt.Sprintf(" is drained: %s, nothing is left to wait for", weight)
			break
		}
		text += fmt.Sprintf(" drains: %s, %s left; it is out when they are gone, at the latest %s (in %s)",
			weight, connections(e.Connections), timespan.At(e.Deadline), timespan.Text(e.Deadline.Sub(o.Since)))
	case director.OverrideDisable:
		text += fmt.Sprintf(" is disabled: %s, %s cut off", weight, connections(e.Connections))
	case director.OverrideWeight:
		text += ": " + weight
	default:
		if e.Lifted.Mode == director.OverrideNone {
			text += ": nothing to lift"
		} else {
			text += fmt.Sprintf(" is no longer %s: %s", e.Lifted.Text(), weight)
		}
	}
	if e.After == 0 && e.State != director.ServerUp && (o.Mode == director.OverrideWeight || o.Mode == director.OverrideNone) {
		text += fmt.Sprintf(", it is %s", e.State)
		if e.Reason != "" {
			text += ": " + e.Reason
		}
	}
	return text + ending(o, e)
}

// absent tells what an override does to a server that is not there.
func absent(o director.Override, e director.Effect) string {
	switch {
	case o.Mode != director.OverrideNone:
		return " is not in the pool at present; when it comes back: " + o.What()
	case e.Lifted.Mode == director.OverrideNone:
		return " is not in the pool at present: nothing to lift"
	}
	return fmt.Sprintf(" is not in the pool at present, and no longer %s when it comes back", e.Lifted.Text())
}

// ending tells when an override ends, and what may end it before.
func ending(o director.Override, e director.Effect) (text string) {
	switch {
	case !o.Until.IsZero():
		text += fmt.Sprintf("; lifted at %s (in %s)", timespan.At(o.Until), timespan.Text(o.Until.Sub(o.Since)))
	case o.Mode != director.OverrideNone:
		text += "; until usher enable"
	}
	if e.Unsaved != nil {
		text += fmt.Sprintf("; but the state folder does not hold it: %v; make room or the folder writable, else it is lost when usher stops", e.Unsaved)
	}
	return text
}

func connections(n uint32) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}
