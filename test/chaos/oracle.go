package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// Fault is one thing that is not as it must be.
type Fault struct {
	Kind string // what is compared when a sequence is shortened
	Text string
}

func (f Fault) String() string { return f.Kind + ": " + f.Text }

// The kinds of faults.
const (
	kindStart    = "start"    // usher does not start
	kindStatus   = "status"   // the status does not answer, or not sensibly
	kindHold     = "hold"     // active without all that it must hold
	kindLeft     = "left"     // held by one that is not active
	kindTwo      = "two"      // two that can reach each other hold it
	kindNobody   = "nobody"   // nobody holds it though somebody could
	kindSilent   = "silent"   // nobody can hold it, and a status does not say so
	kindTell     = "tell"     // the status does not say what the kernel has
	kindAlarm    = "alarm"    // an error in the status while all is well
	kindServe    = "serve"    // the client is not served by the one that holds it
	kindProcess  = "process"  // a process, descriptor or goroutine too many
	kindLog      = "log"      // a panic or a data race
	kindStop     = "stop"     // usher does not end in good order
	kindRemains  = "remains"  // something is there after the end
	kindSettings = "settings" // kernel settings after the end, or during
)

// told is what a director's status says, as far as it is compared.
type told struct {
	Verdict     struct{ Level, Text string }
	Maintenance bool `json:"maintenance"`
	Instances   []struct {
		Name, State, Reason, Group string
		Held                       bool
	} `json:"instances"`
	VirtualServers []struct {
		Name        string
		Up          bool
		RealServers []struct {
			Address         string
			State           string
			EffectiveWeight int `json:"effective_weight"`
		} `json:"real_servers"`
	} `json:"virtual_servers"`
	Announcements []struct {
		Name      string
		Addresses []struct{ Prefix, State, Text string }
	}
	Sessions []struct{ Peer, State, Reason string } `json:"bgp_sessions"`
	Warnings []struct{ Severity, Kind, Subject, Text string }
}

// view is a director at a moment.
type view struct {
	*Director
	kernel kernel
	told   told
	states map[string]string // of its instances
	held   map[string]bool   // what the status says of them
}

// judge looks at the whole world once. A status and a kernel that change between the
// two looks give faults that are gone at the next one.
func (w *World) judge(ctx context.Context) []Fault {
	var faults []Fault
	var views []*view
	for _, d := range w.directors {
		v, f := d.view(ctx)
		faults = append(faults, f...)
		if v != nil {
			views = append(views, v)
		}
	}
	for _, v := range views {
		faults = append(faults, v.judge()...)
		faults = append(faults, v.judgeSettings()...)
	}
	for _, in := range w.directors[0].setup.Instances {
		faults = append(faults, w.judgeInstance(in, views)...)
	}
	faults = append(faults, w.judgeBGP(views)...)
	if len(faults) == 0 {
		faults = w.judgeService(views)
	}
	if len(faults) > 0 {
		return faults
	}
	for _, v := range views {
		faults = append(faults, v.judgeQuiet()...)
		faults = append(faults, v.judgeCounts(ctx)...)
	}
	return faults
}

// view looks at a director's kernel and, where its usher runs, at its status.
func (d *Director) view(ctx context.Context) (*view, []Fault) {
	v := &view{Director: d, states: map[string]string{}, held: map[string]bool{}}
	var err error
	if v.kernel, err = look(d.Node); err != nil {
		return nil, []Fault{{kindStatus, fmt.Sprintf("%s: its kernel: %v", d.Name, err)}}
	}
	if d.stopped {
		return v, nil
	}
	if !d.running() {
		return v, []Fault{{kindStart, d.Name + ": usher has ended: " + d.run.Tail(3)}}
	}
	b, err := d.Control(ctx, "/api/v1/status")
	if err == nil {
		err = json.Unmarshal(b, &v.told)
	}
	if err != nil {
		return v, []Fault{{kindStatus, fmt.Sprintf("%s: %v", d.Name, err)}}
	}
	for _, i := range v.told.Instances {
		v.states[i.Name], v.held[i.Name] = i.State, i.Held
	}
	return v, nil
}

// judge compares a director's status with its kernel.
func (v *view) judge() (faults []Fault) {
	fault := func(kind, format string, a ...any) {
		faults = append(faults, Fault{kind, v.Name + ": " + fmt.Sprintf(format, a...)})
	}
	if len(v.told.Instances) != len(v.setup.Instances) && !v.stopped {
		fault(kindTell, "the status has %d instances, not %d", len(v.told.Instances), len(v.setup.Instances))
		return faults
	}
	for _, in := range v.setup.Instances {
		for _, vip := range in.VIPs {
			if v.onLo[vip.Prefix.Addr()] && v.answersFor(in.on(vip)) && !v.stopped && !v.tells("elsewhere", in.Name) {
				fault(kindSilent, "%s of %s is on lo, too, and the status says nothing of it", vip.Prefix, in.Name)
			}
		}
		missing := v.kernel.missing(in)
		state := v.states[in.Name]
		switch {
		case state != "active":
			for _, what := range v.kernel.leftovers(in, v.others()) {
				fault(kindLeft, "%s is %q and has %s", in.Name, state, what)
			}
			if v.held[in.Name] {
				fault(kindTell, "%s is %q and says that it holds its addresses", in.Name, state)
			}
		case missing != "":
			fault(kindHold, "%s is active: %s", in.Name, missing)
		case !v.held[in.Name]:
			fault(kindTell, "%s is active, all is there, and the status says that nothing is held", in.Name)
		}
	}
	return faults
}

// answersFor says whether the kernel answers ARP on an interface for addresses of others:
// with a virtual MAC usher has it not do so.
func (v *view) answersFor(iface string) bool {
	return !some(v.setup, func(in Instance) bool { return in.VirtualMAC && in.Interface == iface })
}

// tells says whether the status has a warning of a kind.
func (v *view) tells(kind, subject string) bool {
	return slices.ContainsFunc(v.told.Warnings, func(w struct{ Severity, Kind, Subject, Text string }) bool {
		return w.Kind == kind && w.Subject == subject
	})
}

// warned says whether the status has something to say of an instance.
func (v *view) warned(in Instance) bool {
	if v.told.Verdict.Level == "ok" {
		return false
	}
	if v.told.Maintenance {
		return true
	}
	return slices.ContainsFunc(v.told.Warnings, func(w struct{ Severity, Kind, Subject, Text string }) bool {
		return w.Subject == in.Name || strings.Contains(w.Text, in.Name)
	})
}

// judgeInstance looks at all directors together.
func (w *World) judgeInstance(in Instance, views []*view) (faults []Fault) {
	var holders, able, running []*view
	for _, v := range views {
		if v.stopped {
			continue
		}
		running = append(running, v)
		barred := v.barred(in)
		if barred == "" && !v.doubtful(in) {
			able = append(able, v)
		}
		if v.states[in.Name] == "active" && !v.apart(in) {
			holders = append(holders, v)
			if barred != "" {
				faults = append(faults, Fault{kindHold, fmt.Sprintf("%s: %s is active though %s", v.Name, in.Name, barred)})
			}
		}
	}
	switch {
	case len(holders) > 1:
		faults = append(faults, Fault{kindTwo, fmt.Sprintf("%s is active on %s and %s", in.Name, holders[0].Name, holders[1].Name)})
	case len(holders) == 0 && len(able) > 0:
		faults = append(faults, Fault{kindNobody, fmt.Sprintf("%s is active nowhere; nothing keeps %s from it, which says %q", in.Name, able[0].Name, able[0].states[in.Name])})
	case len(holders) == 0:
		for _, v := range running {
			if !v.apart(in) && !v.warned(in) {
				faults = append(faults, Fault{kindSilent, fmt.Sprintf("%s is active nowhere since %s; the status of %s says nothing of it", in.Name, v.barred(in), v.Name)})
			}
		}
	}
	return faults
}

// barred says why a director cannot have an instance; "" where nothing keeps it.
func (d *Director) barred(in Instance) string {
	for _, other := range d.setup.Instances {
		if other.Name != in.Name && !d.setup.Group {
			continue
		}
		if why := d.barredAlone(other); why != "" {
			return why
		}
	}
	return ""
}

func (d *Director) barredAlone(in Instance) string {
	switch {
	case d.stopped:
		return "its usher was stopped"
	case d.resting:
		return "it is in maintenance"
	}
	for _, l := range in.links() {
		if how := d.left[l]; how != "" && how != leftApart && (how != leftDeaf || in.answers(l)) {
			return l + " " + how
		}
	}
	for _, t := range in.Tracks {
		if d.bad[t] && in.Weight == 0 {
			return "its " + t + " says no"
		}
	}
	return ""
}

// apart says that a director is on another network than the client and its peers.
func (d *Director) apart(in Instance) bool {
	return slices.ContainsFunc(in.links(), func(l string) bool { return d.left[l] == leftApart })
}

// doubtful says that somebody else has put a VIP of the instance, or of its group, on
// the director: it may be active or not, but it has to say why it is not.
func (d *Director) doubtful(in Instance) bool {
	return slices.ContainsFunc(d.setup.Instances, func(other Instance) bool {
		return (other.Name == in.Name || d.setup.Group) &&
			slices.ContainsFunc(other.VIPs, func(v VIP) bool { return d.byHand[v.Prefix.Addr()] })
	})
}

// How an interface may be left.
const (
	leftGone    = "is gone"
	leftDown    = "is down"
	leftNoCable = "has no carrier"
	leftRenamed = "has another name"
	leftApart   = "is on another network"
	leftDeaf    = "has ARP off"
)

// judgeService has the client ask every VIP who holds it.
func (w *World) judgeService(views []*view) (faults []Fault) {
	type question struct {
		in     Instance
		vip    VIP
		holder *view
	}
	var all []question
	for _, v := range views {
		for _, in := range v.setup.Instances {
			for _, vip := range in.VIPs {
				if v.states[in.Name] == "active" && !v.apart(in) {
					all = append(all, question{in, vip, v})
				}
			}
		}
	}
	err := w.Client.Do(func() error {
		for _, q := range all {
			addr := q.vip.Prefix.Addr()
			if addr.IsLinkLocalUnicast() || slices.ContainsFunc(w.directors, func(d *Director) bool { return d.onLo[addr] }) {
				continue // the second: whoever has it on lo answers as well
			}
			name, err := knock(addr)
			switch {
			case q.in.Accept && err != nil:
				faults = append(faults, Fault{kindServe, fmt.Sprintf("%s of %s on %s: %v", addr, q.in.Name, q.holder.Name, err)})
			case q.in.Accept && name != q.holder.Name:
				faults = append(faults, Fault{kindServe, fmt.Sprintf("%s of %s on %s: %q answers", addr, q.in.Name, q.holder.Name, name)})
			case !q.in.Accept && err == nil:
				faults = append(faults, Fault{kindServe, fmt.Sprintf("%s of %s on %s is answered, against accept = false", addr, q.in.Name, q.holder.Name)})
			}
			if f := q.holder.judgeNeighbour(q.in, q.vip); f != "" {
				faults = append(faults, Fault{kindServe, f})
			}
		}
		return nil
	})
	if err != nil {
		faults = append(faults, Fault{kindServe, err.Error()})
	}
	return append(faults, w.judgePool(views)...)
}

// knock asks an address for the name of who is there.
func knock(a netip.Addr) (string, error) {
	c, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, echoPort).String(), 300*time.Millisecond)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	b := make([]byte, 16)
	n, err := c.Read(b)
	return string(b[:n]), err
}

// judgeNeighbour looks, inside the client, at the MAC that it has for a VIP.
func (v *view) judgeNeighbour(in Instance, vip VIP) string {
	l := v.kernel.links[in.device(vip)]
	if l == nil {
		return ""
	}
	a := vip.Prefix.Addr()
	list, err := netlink.NeighList(0, family(a))
	if err != nil {
		return err.Error()
	}
	for _, n := range list {
		if ip, ok := netip.AddrFromSlice(n.IP); !ok || ip.Unmap() != a || n.HardwareAddr == nil {
			continue
		}
		if n.HardwareAddr.String() != l.Attrs().HardwareAddr.String() {
			return fmt.Sprintf("the client has %s for %s of %s on %s, which has %s", n.HardwareAddr, a, in.Name, v.Name, l.Attrs().HardwareAddr)
		}
		return ""
	}
	return fmt.Sprintf("the client does not find %s of %s on %s", a, in.Name, v.Name)
}

func family(a netip.Addr) int {
	if a.Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

// judgeQuiet looks for errors in the status where nothing is the matter.
func (v *view) judgeQuiet() (faults []Fault) {
	if v.stopped || v.resting || len(v.left) > 0 || len(v.bad) > 0 || len(v.others()) > 0 {
		return nil
	}
	for _, d := range v.world.directors {
		if d.stopped || d.resting || len(d.left) > 0 || len(d.others()) > 0 {
			return nil // it may be told of its peer
		}
	}
	for _, w := range v.told.Warnings {
		if w.Severity == "error" && w.Kind != "split_brain" {
			faults = append(faults, Fault{kindAlarm, fmt.Sprintf("%s: all is well, and the status says %s %s: %s", v.Name, w.Kind, w.Subject, w.Text)})
		}
	}
	return faults
}
