package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/director/announce"
)

// rounds bounds how often a pass steps the machines: an address that has come or gone moves
// them on, which may move another address.
const rounds = 4

// pass steps every machine and does what comes of it. It gives how long there is nothing to
// do, unless something is told.
func (s *state) pass(now time.Time) time.Duration {
	s.now = now
	at := now.Sub(s.begun)
	if now.Sub(s.looked) >= lookEvery {
		s.look()
	}
	judged := s.judge()
	for range rounds {
		s.step(at, judged)
		if !s.host() {
			break
		}
	}
	if s.speaking && s.deferred && !s.defers() {
		_ = s.configure() // reported
	}
	s.items = slices.DeleteFunc(s.items, func(i *item) bool { return i.removed && !s.holds(i) })
	if len(s.items) == 0 && len(s.bound) == 0 && len(s.filtered) == 0 {
		return time.Hour
	}
	wait := s.looked.Add(lookEvery).Sub(now)
	for _, i := range s.items {
		if next, ok := i.machine.Next(); ok {
			wait = min(wait, max(0, next-at))
		}
	}
	return wait
}

// look looks at what others change on this machine: interfaces here, addresses and filter in
// host. A virtual server that changes is no reason for that, and many do at once.
func (s *state) look() {
	s.looked, s.unseen = s.now, true
	var names []string
	for _, a := range s.announcements() {
		names = append(names, a.Interfaces...)
	}
	var down []string
	var err error
	if len(names) > 0 {
		slices.Sort(names)
		down, err = s.options.Host.Down(slices.Compact(names))
	}
	s.report("interfaces", "", wrap("tracked interfaces", err))
	if err == nil { // else they are as they were before
		s.down = down
	}
}

// announcements are those of the items, each once.
func (s *state) announcements() (all []*announce.Announcement) {
	known := map[string]bool{}
	for _, i := range s.items {
		if !known[i.of.Name] {
			known[i.of.Name] = true
			all = append(all, &i.of)
		}
	}
	return all
}

// judgement is how an announcement stands, but for its addresses; lacking names what keeps it
// from being announced.
type judgement struct {
	announce.Conditions
	lacking []string
}

// judge gives every announcement's. It asks for all virtual servers at once: a director that
// is at work lets each question wait.
func (s *state) judge() map[string]judgement {
	sessions := 0
	for _, p := range s.options.Speaker.Sessions() {
		if p.State == announce.Established {
			sessions++
		}
	}
	all := s.announcements()
	var names []string
	for _, a := range all {
		names = append(names, a.Pools...)
	}
	pools := make(map[string]announce.Pool, len(names))
	if len(names) > 0 {
		slices.Sort(names)
		for _, p := range s.options.Pools(slices.Compact(names)) {
			pools[p.Name] = p
		}
	}
	judged := make(map[string]judgement, len(all))
	for _, a := range all {
		j := s.conditions(a, pools)
		j.Sessions = sessions
		judged[a.Name] = j
	}
	return judged
}

// step steps every machine.
func (s *state) step(at time.Duration, judged map[string]judgement) {
	for _, i := range s.items {
		j := judged[i.of.Name]
		c := j.Conditions
		c.Bound, c.Removed = s.bound[i.prefix], i.removed || i.retired
		before := i.machine
		var actions []announce.Action
		i.machine, actions = before.Step(announce.Input{Conditions: c, Parameters: i.of.Times}, at)
		i.lacking = nil
		if r := i.machine.Reason(); r == announce.ReasonFault || r == announce.ReasonQuorum || r == announce.ReasonProbes || r == announce.ReasonTable || r == announce.ReasonInstance {
			i.lacking = j.lacking
		}
		for _, a := range actions {
			s.note(i, a)
		}
		s.tell(i)
	}
}

func (s *state) conditions(a *announce.Announcement, all map[string]announce.Pool) judgement {
	pools := make([]announce.Pool, len(a.Pools))
	for i, name := range a.Pools {
		pools[i] = all[name]
	}
	down := slices.DeleteFunc(slices.Clone(a.Interfaces), func(name string) bool { return !slices.Contains(s.down, name) })
	c := announce.Conditions{
		Speaker: s.speaking, Healthy: len(down) == 0, Instance: a.Instance == "" || s.active[a.Instance],
		Maintenance: s.maintenance, Withdrawn: s.withdrawn[a.Name], Stopping: s.stopping,
	}
	var names, lacking []string
	c.Table, c.Probed, c.Quorum, lacking = announce.Judge(a.Require, pools)
	switch {
	case !c.Healthy:
		names = down
	case !c.Instance:
		names = []string{a.Instance}
	case !c.Table:
		for _, p := range pools {
			if !p.Table {
				names = append(names, p.Name)
			}
		}
	case !c.Probed && c.Quorum:
		for _, p := range pools {
			if !p.Probed {
				names = append(names, p.Name)
			}
		}
	default:
		names = lacking
	}
	return judgement{c, names}
}

// note takes in what a machine has done that others hear of.
func (s *state) note(i *item, a announce.Action) {
	if a.Kind == announce.ActWithdraw {
		s.flaps[i.of.Name]++
	}
	if a.Kind != announce.ActNotify {
		return
	}
	if a.From != a.To {
		i.since = s.now
	}
	from, to := a.From.Word(), a.To.Word()
	own := a.Reason == announce.ReasonAddress || a.Reason == announce.ReasonUpDelay
	if from == to && (own || a.From != a.To) {
		return // a step on the way, whose end is told
	}
	s.event(announce.Event{
		Kind: announce.EventAnnouncement, Announcement: i.of.Name, Prefix: i.prefix, From: from, To: to,
		Reason: a.Reason, Text: announce.Detail(a.Reason, i.lacking),
	})
}

// tell brings the speaker to what the machine wants; what fails is done at the next pass.
func (s *state) tell(i *item) {
	announced, draining := i.machine.Announces()
	if !s.speaking {
		return
	}
	var err error
	switch path := i.of.Path(i.prefix, draining); {
	case !announced && i.told != nil:
		if err = s.options.Speaker.Withdraw(i.prefix); err == nil {
			i.told = nil
		}
	case announced && (i.told == nil || !i.told.Equal(path)):
		if err = s.options.Speaker.Announce(path); err == nil {
			i.told = &path
		}
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", i.prefix, err)
	}
	s.report("prefix "+i.prefix.String(), i.of.Name, err)
}

// host brings addresses and packet filter to what the machines want, and tells whether
// addresses have come or gone by that. What comes for an address is filtered from before it
// is there until after it has gone.
func (s *state) host() (changed bool) {
	var want, filter []netip.Prefix
	for _, i := range s.items {
		wanted := i.told != nil || s.resumes(i)
		switch i.machine.Phase() {
		case announce.Down, announce.Unbinding:
		default:
			wanted = true
		}
		if wanted {
			want = append(want, i.prefix)
		}
	}
	wanted := make(map[netip.Prefix]bool, len(want))
	for _, p := range want {
		wanted[p] = true
	}
	filter = append(filter, want...)
	for p := range s.bound {
		if !wanted[p] {
			filter = append(filter, p)
		}
	}
	slices.SortFunc(filter, netip.Prefix.Compare)
	s.filter(filter)
	if s.held && slices.Equal(want, s.want) && (!s.unseen || len(want) == 0) {
		return false
	}
	bound, err := s.options.Host.Hold(want)
	s.want, s.held, s.unseen = want, err == nil, false
	s.report("addresses", "", wrap("addresses on lo", err))
	now := make(map[netip.Prefix]bool, len(bound))
	for _, p := range bound {
		now[p] = true
		changed = changed || !s.bound[p]
	}
	changed = changed || len(now) != len(s.bound)
	s.bound = now
	return changed
}

// resumes says whether routers may still send for an address by what a process before this
// one has announced: with graceful restart they do that though its session has ended.
func (s *state) resumes(i *item) bool {
	grace := s.config.Local.GracefulRestart
	return grace > 0 && !s.stopping && !i.removed && s.now.Sub(s.begun) < grace+i.of.Times.Linger
}

// filter has packets to these addresses dropped where IPVS does not claim them.
func (s *state) filter(want []netip.Prefix) {
	if s.options.Filter == nil || s.cleared && slices.Equal(want, s.filtered) && (!s.unseen || len(want) == 0) {
		return
	}
	err := s.options.Filter.Keep(want)
	s.report("filter", "", wrap("drop packets that IPVS does not claim", err))
	if s.cleared = err == nil; err == nil {
		s.filtered = want
	}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
