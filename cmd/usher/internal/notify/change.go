package notify

import (
	"strconv"
	"strings"
	"time"

	"usher/conf"
	"usher/director"
	"usher/director/announce"
	"usher/vrrp"
)

// Kind is what a change happened to, in the words that commands get.
type Kind string

// What can change.
const (
	Instance      Kind = "INSTANCE"
	Group         Kind = "GROUP"
	VirtualServer Kind = "VS"
	RealServer    Kind = "RS"
	Announcement  Kind = "ANNOUNCE"
)

// Change is one change of state that somebody may want to hear of. Its JSON form
// is what webhooks get.
type Change struct {
	Kind          Kind      `json:"kind"`
	Name          string    `json:"name"`                     // of the instance, group, virtual server or announcement; of a real server its address
	VirtualServer string    `json:"virtual_server,omitempty"` // of a real server
	Prefix        string    `json:"prefix,omitempty"`         // of an announcement: which of its addresses
	State         string    `json:"state"`                    // active, backup, fault, stop, split_brain; up, down; announced, draining, withdrawn
	Previous      string    `json:"previous,omitempty"`
	Priority      int       `json:"priority"`
	Peer          string    `json:"peer,omitempty"`
	Reason        string    `json:"reason"`
	Time          time.Time `json:"time"`
	RouterID      string    `json:"router_id"`

	failed bool // an announcement that was withdrawn, and nobody has wanted that
}

// word is the change in the words of `on`.
func (c Change) word() string {
	if c.Kind == RealServer {
		return "server_" + c.State
	}
	return c.State
}

// slot is what a later change supersedes this one in.
func (c Change) slot() string {
	s := string(c.Kind) + "/" + c.VirtualServer + "/" + c.Name + "/" + c.Prefix
	if c.State == "split_brain" {
		s += "/split_brain" // an alarm, not a state
	}
	return s
}

// alert is the change as templates have it.
func (c Change) alert() conf.Alert {
	a := conf.Alert{
		Kind: string(c.Kind), Name: c.Name, VirtualServer: c.VirtualServer, Prefix: c.Prefix, State: c.State, Previous: c.Previous,
		Priority: c.Priority, Peer: c.Peer, Reason: c.Reason, RouterID: c.RouterID, Time: c.Time.UTC().Format(time.RFC3339Nano),
		Problem:  c.State == "fault" || c.State == "split_brain" || c.State == "down" || c.failed,
		Severity: "info",
		Key:      c.key(),
		Text:     c.RouterID + ": " + c.subject() + " is " + strings.ReplaceAll(c.State, "_", " "),
	}
	switch {
	case a.Problem && c.Kind == RealServer:
		a.Severity = "warning" // others go on
	case a.Problem:
		a.Severity = "critical"
	}
	if c.Reason != "" {
		a.Text += ": " + c.Reason
	}
	return a
}

// key is the same for every change of one thing.
func (c Change) key() string {
	parts := []string{"usher", c.RouterID, string(c.Kind), c.VirtualServer, c.Name}
	if c.Prefix != "" {
		parts = append(parts, c.Prefix)
	}
	return strings.Join(parts, "/")
}

// legacy is the state in keepalived's words, for the scripts that there are.
func (c Change) legacy() string {
	if c.State == "active" {
		return "MASTER"
	}
	return strings.ToUpper(c.State)
}

// arguments are appended to a command: those of keepalived's notify scripts, and
// for a real server its virtual server, for an announcement its prefix.
func (c Change) arguments() []string {
	args := []string{string(c.Kind), c.Name, c.legacy(), strconv.Itoa(c.Priority)}
	switch c.Kind {
	case RealServer:
		args = append(args, c.VirtualServer)
	case Announcement:
		args = append(args, c.Prefix)
	}
	return args
}

// environment is the same in usher's own words, and more.
func (c Change) environment() []string {
	return []string{
		"USHER_KIND=" + string(c.Kind), "USHER_NAME=" + c.Name, "USHER_VIRTUAL_SERVER=" + c.VirtualServer, "USHER_PREFIX=" + c.Prefix,
		"USHER_STATE=" + c.State, "USHER_PREVIOUS=" + c.Previous, "USHER_PRIORITY=" + strconv.Itoa(c.Priority),
		"USHER_PEER=" + c.Peer, "USHER_REASON=" + c.Reason, "USHER_TIME=" + c.Time.Format(time.RFC3339Nano),
		"USHER_ROUTER_ID=" + c.RouterID,
	}
}

// fromVRRP translates an instance's event; ok is false for those that are no
// change of state.
func fromVRRP(e vrrp.Event) (c Change, ok bool) {
	c = Change{Kind: Instance, Name: e.Instance, Priority: int(e.Priority), Reason: e.Reason, Time: e.Time}
	if e.Instance == "" {
		c.Kind, c.Name, c.Priority = Group, e.Group, 0 // a group has none; keepalived says 0
	}
	if e.Peer.IsValid() {
		c.Peer = e.Peer.String()
	}
	switch e.Kind {
	case vrrp.EventState:
		c.State, c.Previous = stateWord(e.To), stateWord(e.From)
		return c, c.Name != ""
	case vrrp.EventSplitBrain:
		c.State = "split_brain"
		return c, c.Name != ""
	}
	return c, false
}

// stateWord is the state as notifications have it: an instance that is not
// running has stopped.
func stateWord(s vrrp.State) string {
	if s == vrrp.Initialize {
		return "stop"
	}
	return s.String()
}

// fromDirector translates an event of a virtual or real server; ok is false for
// those that are no change between up and down.
func fromDirector(e director.Event) (c Change, ok bool) {
	c = Change{Kind: VirtualServer, Name: e.VirtualServer, State: upWord(e.To), Previous: upWord(e.From), Reason: e.Reason, Time: e.Time}
	switch e.Kind {
	case director.EventQuorum:
	case director.EventServer:
		c.Kind, c.Name, c.VirtualServer = RealServer, e.RealServer.String(), e.VirtualServer
	default:
		return c, false
	}
	return c, c.State != c.Previous
}

// upWord reduces the states of servers to whether they serve.
func upWord(s string) string {
	if s == "up" {
		return "up"
	}
	return "down"
}

// fromAnnounce translates an event of an announcement; ok is false for those that are no
// change of what routers have of one of its prefixes.
func fromAnnounce(e announce.Event) (c Change, ok bool) {
	if e.Kind != announce.EventAnnouncement || e.From == e.To {
		return c, false
	}
	return Change{
		Kind: Announcement, Name: e.Announcement, Prefix: e.Prefix.String(), State: e.To, Previous: e.From, Reason: e.Text, Time: e.Time,
		failed: e.To == announce.Lingering.Word() && e.Reason.Failure(),
	}, true
}
