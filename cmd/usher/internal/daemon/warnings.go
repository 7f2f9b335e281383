package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
	"usher/conf"
	"usher/healthcheck"
	"usher/vrrp"
	"usher/vrrp/timespan"
)

// warnings is what needs a person, errors first, then the newest.
func (r *reporter) warnings(s *api.Status, now snapshot, servers map[healthcheck.ID]healthcheck.Status) []api.Warning {
	all := []api.Warning{}
	add := func(severity events.Severity, kind, subject, text string, since time.Time) {
		all = append(all, api.Warning{Severity: string(severity), Kind: kind, Subject: subject, Text: healthcheck.Printable(events.Line(text)), Since: since})
	}
	all = append(all, unsigned(s.Instances, time.Now())...)
	for _, i := range s.Instances {
		for _, g := range i.Disagreements {
			add(events.Error, "disagreement", i.Name, g.Text, g.Since)
		}
		if u := i.Unsent; u != nil {
			add(events.Error, "unsent", i.Name, "its advertisements are not sent, so that other directors take over beside it: "+u.Text, u.Since)
		}
		if i.NotCarried > 0 {
			add(events.Warning, "not_carried", i.Name, fmt.Sprintf("its advertisements have no room for %d of %d addresses, which are held all the same: "+
				"the MTU of %s is %d; exclude some from the advertisement, or share them among instances", i.NotCarried, len(i.Addresses), i.Interface, i.MTU), i.Since)
		}
		for _, a := range i.Elsewhere {
			if r.machine.AnswersARP(a.On) {
				add(events.Warning, "elsewhere", i.Name, vrrp.ElsewhereText(a.Address, a.Interface, a.On), a.Since)
			}
		}
		if since := i.NobodyActiveSince; since != nil {
			why := "this director is " + i.State
			if s.StateWord(i) == "maintenance" {
				why = "this director is in maintenance"
			} else if i.Reason != "" {
				why += ": " + i.Reason
			}
			add(events.Error, nobodyActive, i.Name, "nobody is known to hold the addresses: no other director is heard, and "+why, *since)
		}
		switch {
		case i.SplitBrain != nil:
			text := fmt.Sprintf("split brain: %s (priority %d) is active, too", i.SplitBrain.Address, i.SplitBrain.Priority)
			if i.SplitBrain.Priority == 0 {
				text = fmt.Sprintf("split brain: %s was active, too, and gave way", i.SplitBrain.Address)
			}
			add(events.Error, "split_brain", i.Name, text, i.SplitBrain.Since)
		case i.State == vrrp.Fault.String():
			add(events.Error, "instance_fault", i.Name, "in fault: "+i.Reason, i.Since)
		case i.State == vrrp.Active.String() && !i.Held:
			add(events.Error, "addresses", i.Name, "active, but its addresses are not on this machine", i.Since)
		}
	}
	if s.Maintenance && len(s.Announcements) > 0 {
		add(events.Warning, "maintenance", "", "maintenance is on: nothing is announced here until usher maintenance off", now.maintained)
	}
	if now.announcer != nil {
		for _, w := range now.announcer.Warnings() {
			level := events.Warning
			if w.Error {
				level = events.Error
			}
			add(level, w.Kind, w.Subject, w.Text, w.Since)
		}
	}
	if s.Maintenance && len(s.Instances) > 0 {
		add(events.Warning, "maintenance", "", "maintenance is on: no instance becomes active here until usher maintenance off", now.maintained)
	}
	if now.unkept != nil {
		add(events.Warning, "state", "", "maintenance: "+forgotten(s.Maintenance, now.unkept), now.maintained)
	}
	all = append(all, splitGroups(s.Instances)...)
	for _, v := range s.VirtualServers {
		if !v.Up {
			add(events.Error, "quorum", v.Name, cmp.Or(v.Reason, "quorum lost"), v.Since)
		}
	}
	for _, v := range s.VirtualServers {
		for _, n := range v.Discover {
			if text, since := doubtful(n, s.Started, time.Now()); text != "" {
				add(events.Warning, "discovery", v.Name, n.Name+": "+text, since)
			}
		}
	}
	for id, h := range servers {
		for _, k := range h.Checks {
			if !k.ExpiringSince.IsZero() {
				add(events.Warning, "certificate", id.VirtualServer+" "+id.RealServer.String(),
					fmt.Sprintf("the certificate that the %s check sees ends %s", k.Type, timespan.At(k.Expiry)), k.ExpiringSince)
			}
		}
	}
	all = append(all, cannotRun(servers)...)
	if now.director != nil {
		for _, w := range now.director.Warnings() {
			add(events.Warning, w.Kind, w.VirtualServer, w.Text, w.Since)
		}
	}
	for _, w := range r.silenced() {
		add(events.Warning, w.Kind, "", w.Text, w.Since)
	}
	if c := now.config; c != nil {
		for _, i := range c.Instances {
			if text := i.LongLease(); text != "" {
				add(events.Warning, "lease", i.Name, text, s.Started)
			}
		}
		for name, a := range c.Unclaimed() {
			add(events.Warning, "unclaimed", name, conf.UnclaimedText(a), s.Started)
		}
	}
	for _, six := range []bool{false, true} {
		if text := crowded(r.machine, six, now.neighbours[family(six)]); text != "" {
			add(events.Warning, "neighbours", neighbourSysctl(six), text, s.Started)
		}
	}
	if s.Reload != nil && !s.Reload.OK {
		add(events.Error, "reload", "", "the last reload failed, the configuration before it runs: "+s.Reload.Error, s.Reload.At)
	}
	for _, problem := range r.Health().Problems {
		add(events.Error, "health", "", problem, time.Now())
	}
	all = append(all, r.remembered(s)...)
	all = append(all, r.peerWarnings(time.Now())...)
	slices.SortStableFunc(all, func(a, b api.Warning) int {
		if a.Severity != b.Severity { // "error" sorts before "warning"
			if a.Severity < b.Severity {
				return -1
			}
			return 1
		}
		if first := (a.Kind == nobodyActive); first != (b.Kind == nobodyActive) {
			if first {
				return -1
			}
			return 1
		}
		return cmp.Or(b.Since.Compare(a.Since), strings.Compare(a.Kind+a.Subject, b.Kind+b.Subject))
	})
	return all
}

// cannotRun tells of checks that cannot be carried out on this machine: once for all the
// servers of a virtual server that lack the same.
func cannotRun(servers map[healthcheck.ID]healthcheck.Status) (all []api.Warning) {
	type lack struct{ virtualServer, check, reason string }
	since, count := map[lack]time.Time{}, map[lack]int{}
	for id, h := range servers {
		for _, k := range h.Checks {
			if k.CannotRun == "" {
				continue
			}
			of := lack{id.VirtualServer, strings.TrimSpace(string(k.Type) + " " + k.Name), k.CannotRun}
			if count[of]++; count[of] == 1 || k.CannotRunSince.Before(since[of]) {
				since[of] = k.CannotRunSince
			}
		}
	}
	for of, n := range count {
		servers := "1 server"
		if n != 1 {
			servers = fmt.Sprintf("%d servers", n)
		}
		all = append(all, api.Warning{Severity: string(events.Warning), Kind: "check_cannot_run", Subject: of.virtualServer, Since: since[of],
			Text: fmt.Sprintf("the %s check of %s cannot run: %s; a failure of theirs would go unnoticed", of.check, servers, of.reason)})
	}
	return all
}

// nobodyActive is the kind of the worst that there is: addresses that nobody holds.
const nobodyActive = "nobody_active"

// united is how long the members of a sync group may be active on different directors.
const united = 15 * time.Second

// splitGroups tells of sync groups that are active here with some members and elsewhere
// with the rest, which directors end that both know the group.
func splitGroups(list []api.Instance) (all []api.Warning) {
	here, there := map[string]api.Instance{}, map[string]api.Instance{}
	for _, i := range list {
		switch {
		case i.Group == "":
		case i.State == vrrp.Active.String():
			here[i.Group] = i
		case i.ActiveRouter != "":
			there[i.Group] = i
		}
	}
	for group, i := range here {
		o, split := there[group]
		since := i.Since
		if o.Since.After(since) {
			since = o.Since
		}
		if split && time.Since(since) > united {
			all = append(all, api.Warning{Severity: string(events.Error), Kind: "group_split", Subject: group, Since: since,
				Text: fmt.Sprintf("the sync group is split: %s is active here, %s on %s, which may not have this group in its configuration", i.Name, o.Name, o.ActiveRouter)})
		}
	}
	return all
}
