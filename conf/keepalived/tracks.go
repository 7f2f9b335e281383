package keepalived

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// tracker says for whom a track_ block is written.
type tracker int

const (
	alone   tracker = iota
	member          // a member of a sync group, whose own weights keepalived passes over
	ofGroup         // the block is the sync group's, written into each of its members
)

// tracker is that of an instance's own blocks.
func (t *translator) tracker(d *directive) tracker {
	if g := t.memberOf[d.arg(0)]; g != nil && find(g, "sync_group_tracking_weight") == nil && find(g, "global_tracking") == nil {
		return member
	}
	return alone
}

// tracks translates a track_ block.
func (t *translator) tracks(c *directive, b *out, who tracker) {
	t.each(c, b, func(e *directive) {
		o := options(e)
		for _, word := range o.unknown {
			t.warn(e, word+" is no option that usher knows")
		}
		made := &out{}
		switch c.name() {
		case "track_interface":
			if o.standard = "0"; who == member && o.weight != "" && o.weight != "0" {
				t.warn(e, memberReason+"; it counts as weight 0, as there: fault while the interface is down")
				o.weight = "0"
			}
			i := made.open("track_interface", e, e.name())
			t.weight(e, i, o)
			t.debounce(e.name(), i, "")
		case "track_bfd":
			t.trackSession(e, made, o)
		case "track_script":
			t.trackScript(e, made, o)
		case "track_file":
			t.trackFile(e, made, o)
		case "track_process":
			t.trackProcess(e, made, o)
		default:
			t.unknown(e, instanceReasons())
		}
		for _, i := range made.items {
			if i.block == "" {
				b.items = append(b.items, i)
				continue
			}
			weight := i.body.find("weight")
			weighs := weight != nil && !weight.value.RawEquals(cty.NumberIntVal(0))
			switch {
			case b.tracksAlready(i):
				t.warn(e, i.block+" "+strings.Join(i.labels, " ")+" is tracked already; the first holds")
			case who == member && weighs && c.name() != "track_process":
				t.warn(e, memberReason+", and tracks it not at all, nor does the import")
			default:
				b.items = append(b.items, i)
			}
		}
	})
}

const memberReason = "keepalived passes over weights of a sync group's members (sync_group_tracking_weight)"

// tracksAlready says whether a body has a block of the same type and label.
func (o *out) tracksAlready(i *item) bool {
	return slices.ContainsFunc(o.items, func(have *item) bool { return have.block == i.block && slices.Equal(have.labels, i.labels) })
}

// trackOptions are the words behind what is tracked, and those of its definition,
// which hold where they say nothing.
type trackOptions struct {
	weight, standard  string
	reverse, straight bool
	unknown           []string
}

func options(e *directive) trackOptions {
	var o trackOptions
	for i := 0; i < len(e.args()); i++ {
		switch e.arg(i) {
		case "weight":
			i++
			o.weight = e.arg(i)
		case "reverse":
			o.reverse = true
		case "noreverse", "no_reverse":
			o.straight = true
		default:
			o.unknown = append(o.unknown, e.arg(i))
		}
	}
	return o
}

// defined takes over the weight of a definition.
func (o *trackOptions) defined(weight *directive) {
	o.standard = weight.arg(0)
	o.reverse = o.reverse || weight.arg(1) == "reverse" && !o.straight
}

// weight writes weight and reverse.
func (t *translator) weight(e *directive, b *out, o trackOptions) {
	text := o.weight
	if text == "" {
		text = o.standard
	}
	if n, ok := t.integer(e, text); ok {
		b.number("weight", n, e)
	}
	if o.reverse {
		b.flag("reverse", true, e)
	}
}

func (t *translator) trackSession(e *directive, b *out, o trackOptions) {
	d := t.sessions[e.name()]
	if d == nil {
		t.warn(e, "there is no bfd_instance of this name")
		return
	}
	t.used[d] = true
	o.standard = "0"
	if w := find(d, "weight"); w != nil {
		o.defined(w)
	}
	t.weight(e, b.open("track_bfd", e, e.name()), o)
}

func (t *translator) trackScript(e *directive, b *out, o trackOptions) {
	d := t.scripts[e.name()]
	if d == nil {
		t.warn(e, "there is no vrrp_script of this name")
		return
	}
	t.used[d] = true
	s := b.open("track_script", e, e.name())
	o.standard = "0"
	for _, c := range d.body {
		switch c.name() {
		case "script":
			argv := t.command(c)
			s.texts("command", argv, c)
			if len(argv) > 0 && t.exists != nil && strings.HasPrefix(argv[0], "/") && !t.exists(argv[0]) {
				t.warn(c, argv[0]+" is not on this machine: where it is missing keepalived disables the script and what it decides, for usher it fails each time")
			}
			t.user(c, s, t.runsAs(find(d, "user")))
		case "interval", "timeout":
			if v, ok := t.seconds(c, c.arg(0)); ok {
				s.text(c.name(), v, c)
			}
		case "rise", "fall":
			if n, ok := t.integer(c, c.arg(0)); ok {
				s.number(c.name(), n, c)
			}
		case "weight":
			o.defined(c)
		case "init_fail":
			s.text("initial", "down", c)
		}
	}
	t.weight(e, s, o)
}

func (t *translator) trackFile(e *directive, b *out, o trackOptions) {
	d := t.files[e.name()]
	if d == nil {
		t.warn(e, "there is no track_file of this name")
		return
	}
	t.used[d] = true
	path := ""
	o.standard = "1"
	for _, c := range d.body {
		switch c.name() {
		case "file":
			path = c.arg(0)
		case "weight":
			o.defined(c)
		case "init_file":
			t.warn(c, "usher does not write the file: one that is not there counts as 0")
		}
	}
	if path == "" {
		t.warn(d, "no file is given")
		return
	}
	t.weight(e, b.open("track_file", e, path), o)
}

func (t *translator) trackProcess(e *directive, b *out, o trackOptions) {
	d := t.processes[e.name()]
	if d == nil {
		t.warn(e, "there is no vrrp_track_process of this name")
		return
	}
	t.used[d] = true
	name := ""
	o.standard = "0"
	p := &out{}
	for _, c := range d.body {
		switch c.name() {
		case "process":
			name = c.arg(0)
			if len(c.args()) > 1 {
				t.warn(c, "usher tells processes by their name, not by their arguments")
			}
		case "weight":
			o.defined(c)
		case "quorum":
			if n, ok := t.integer(c, c.arg(0)); ok {
				p.number("quorum", n, c)
			}
		case "delay", "fork_delay", "terminate_delay":
			v, ok := t.seconds(c, c.arg(0))
			if ok && c.name() != "terminate_delay" {
				p.text("up_delay", v, c)
			}
			if ok && c.name() != "fork_delay" {
				p.text("down_delay", v, c)
			}
		default:
			t.warn(c, "usher knows process, weight, quorum and delays of a process")
		}
	}
	if name == "" {
		t.warn(d, "no process is given")
		return
	}
	body := b.open("track_process", e, name)
	t.weight(e, body, o)
	body.items = append(body.items, p.items...)
}

// syncGroup translates vrrp_sync_group.
func (t *translator) syncGroup(d *directive, o *out) {
	b := o.open("vrrp_sync_group", d, d.arg(0))
	t.each(d, b, func(c *directive) {
		switch c.name() {
		case "group":
			var names []string
			b.note(notes(c)...)
			for _, name := range c.items() {
				if t.instances[name] == nil {
					t.warn(c, "there is no vrrp_instance "+name)
					continue
				}
				names = append(names, name)
			}
			b.texts("instances", names, c)
		case "notify", "notify_master", "notify_backup", "notify_fault", "notify_stop":
			t.notify(c, b)
		case "smtp_alert":
			t.alert(c, b, t.mail.vrrp, []string{"active", "backup", "fault", "stop"})
		case "track_interface", "track_script", "track_file", "track_process", "track_bfd":
			// in each of the instances, see there
		case "sync_group_tracking_weight", "global_tracking":
			// in each of the instances: their weights count
		default:
			t.unknown(c, instanceReasons())
		}
	})
}

// notes are all comments within a block.
func notes(d *directive) []string {
	var all []string
	for _, c := range d.body {
		all = append(all, c.lead...)
		if c.trail != "" {
			all = append(all, c.trail)
		}
		all = append(all, notes(c)...)
	}
	return append(all, d.tail...)
}
