package daemon

import (
	"fmt"
	"time"

	"usher/cmd/usher/internal/api"
	"usher/director/discover/engine"
	"usher/vrrp/timespan"
)

// listed are the sources of each virtual server.
type listed map[string][]api.Discovery

func sources(d Discovery) listed {
	if d == nil {
		return nil
	}
	now, all := time.Now(), listed{}
	for _, s := range d.Status() {
		all[s.VirtualServer] = append(all[s.VirtualServer], source(s, now))
	}
	return all
}

// source is one source for the status.
func source(s engine.Status, now time.Time) api.Discovery {
	out := api.Discovery{
		Type: string(s.Source.Kind), Name: s.Source.Name, Servers: s.Servers, Held: len(s.Held), Borrowed: s.Borrowed,
		Confirmed: given(s.Confirmed), Changed: given(s.Changed), FailingSince: given(s.Failing),
	}
	if !s.Confirmed.IsZero() {
		age := s.Age(now).Seconds()
		out.AgeSeconds = &age
	}
	if s.Failure != nil {
		out.Reason, out.Error = string(s.Failure.Reason), s.Failure.Text
	}
	if len(s.Errors) > 0 {
		out.Errors = map[string]uint64{}
		for reason, n := range s.Errors {
			out.Errors[string(reason)] = n
		}
	}
	for _, i := range s.Ignored {
		out.LeftOut = append(out.LeftOut, api.LeftOut{Entry: i.Entry, Why: i.Why})
	}
	return out
}

// show adds the sources to a virtual server, and to each of its servers the one that
// lists it.
func (l listed) show(v *api.VirtualServer, d Discovery) {
	if v.Discover = l[v.Name]; len(v.Discover) == 0 {
		return
	}
	servers := d.Servers(v.Name)
	of := make(map[string]string, len(servers))
	for _, s := range servers {
		if s.Source < len(v.Discover) { // a reload may come between
			of[s.Address.String()] = v.Discover[s.Source].Name
		}
	}
	for i := range v.RealServers {
		v.RealServers[i].Source = of[v.RealServers[i].Address]
	}
}

// doubted is how long a source may fail before a person has to know: one answer that is
// lost says nothing.
const doubted = time.Minute

// doubtful says what of a source needs a person, and since when; "" for nothing.
func doubtful(s api.Discovery, started, now time.Time) (string, time.Time) {
	switch {
	case s.FailingSince != nil && s.Confirmed == nil:
		return "it has not listed any server so far: " + s.Error, *s.FailingSince
	case s.FailingSince != nil && now.Sub(*s.FailingSince) >= doubted:
		return fmt.Sprintf("its servers are those of %s ago: %s", timespan.Text(now.Sub(*s.Confirmed)), s.Error), *s.FailingSince
	case s.Held > 0:
		return fmt.Sprintf("%d more servers left than may in one step (max_leave): they stay until its next answer", s.Held), *s.Confirmed
	case len(s.LeftOut) == 1:
		return fmt.Sprintf("%s is left out: %s", s.LeftOut[0].Entry, s.LeftOut[0].Why), started
	case len(s.LeftOut) > 1:
		return fmt.Sprintf("%d entries are left out, as %s: %s", len(s.LeftOut), s.LeftOut[0].Entry, s.LeftOut[0].Why), started
	}
	return "", time.Time{}
}
