package keepalived

// tracks translates a track_ block; one of a sync group is written into each of
// its instances, where weights are 0.
func (t *translator) tracks(c *directive, b *out, group bool) {
	t.each(c, b, func(e *directive) {
		o := options(e)
		for _, word := range o.unknown {
			t.warn(e, word+" is no option that usher knows")
		}
		if group {
			o.weight = ""
		}
		switch c.name() {
		case "track_interface":
			t.weight(e, b.open("track_interface", e, e.name()), o, "0")
		case "track_bfd":
			t.trackSession(e, b, o)
		case "track_script":
			t.trackScript(e, b, o, group)
		case "track_file":
			t.trackFile(e, b, o, group)
		case "track_process":
			t.trackProcess(e, b, o, group)
		default:
			t.unknown(e, instanceReasons())
		}
	})
}

// trackOptions are the words behind what is tracked.
type trackOptions struct {
	weight  string
	reverse bool
	unknown []string
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
		case "noreverse":
			o.reverse = false
		default:
			o.unknown = append(o.unknown, e.arg(i))
		}
	}
	return o
}

// weight writes weight and reverse; standard is the weight where none is given.
func (t *translator) weight(e *directive, b *out, o trackOptions, standard string) {
	text := o.weight
	if text == "" {
		text = standard
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
	standard := "0"
	if w := find(d, "weight"); w != nil {
		standard = w.arg(0)
	}
	t.weight(e, b.open("track_bfd", e, e.name()), o, standard)
}

func (t *translator) trackScript(e *directive, b *out, o trackOptions, group bool) {
	d := t.scripts[e.name()]
	if d == nil {
		t.warn(e, "there is no vrrp_script of this name")
		return
	}
	t.used[d] = true
	s := b.open("track_script", e, e.name())
	standard := "0"
	for _, c := range d.body {
		switch c.name() {
		case "script":
			argv, user := t.script(c, 0)
			s.texts("command", argv, c)
			t.user(c, s, user)
		case "user":
			s.text("user", c.arg(0), c)
		case "interval", "timeout":
			if v, ok := t.seconds(c, c.arg(0)); ok {
				s.text(c.name(), v, c)
			}
		case "rise", "fall":
			if n, ok := t.integer(c, c.arg(0)); ok {
				s.number(c.name(), n, c)
			}
		case "weight":
			if !group {
				standard = c.arg(0)
			}
			o.reverse = o.reverse || c.arg(1) == "reverse"
		case "init_fail":
			s.text("initial", "down", c)
		}
	}
	t.weight(e, s, o, standard)
}

// user is the one given, else that of script_user, else usher's own.
func (t *translator) user(c *directive, b *out, user string) {
	switch {
	case b.find("user") != nil:
	case user != "":
		b.text("user", user, c)
	case t.defaults.user != "":
		b.text("user", t.defaults.user, c)
	case !t.userTold:
		t.userTold = true
		t.warn(c, "no user is given here or in script_user: keepalived takes keepalived_script where there is one, usher runs commands as itself")
	}
}

func (t *translator) trackFile(e *directive, b *out, o trackOptions, group bool) {
	d := t.files[e.name()]
	if d == nil {
		t.warn(e, "there is no track_file of this name")
		return
	}
	t.used[d] = true
	path, standard := "", "1"
	for _, c := range d.body {
		switch c.name() {
		case "file":
			path = c.arg(0)
		case "weight":
			standard = c.arg(0)
			o.reverse = o.reverse || c.arg(1) == "reverse"
		case "init_file":
			t.warn(c, "usher does not write the file: one that is not there counts as 0")
		}
	}
	if path == "" {
		t.warn(d, "no file is given")
		return
	}
	if group {
		standard = "0"
	}
	t.weight(e, b.open("track_file", e, path), o, standard)
}

func (t *translator) trackProcess(e *directive, b *out, o trackOptions, group bool) {
	d := t.processes[e.name()]
	if d == nil {
		t.warn(e, "there is no vrrp_track_process of this name")
		return
	}
	t.used[d] = true
	name, standard := "", "0"
	p := &out{}
	for _, c := range d.body {
		switch c.name() {
		case "process":
			name = c.arg(0)
			if len(c.args()) > 1 {
				t.warn(c, "usher tells processes by their name, not by their arguments")
			}
		case "weight":
			if !group {
				standard = c.arg(0)
			}
			o.reverse = o.reverse || c.arg(1) == "reverse"
		case "quorum":
			if n, ok := t.integer(c, c.arg(0)); ok {
				p.number("quorum", n, c)
			}
		default:
			t.warn(c, "usher knows process, weight and quorum of a process")
		}
	}
	if name == "" {
		t.warn(d, "no process is given")
		return
	}
	body := b.open("track_process", e, name)
	t.weight(e, body, o, standard)
	body.items = append(body.items, p.items...)
}

// notify translates a notify directive; at is where its command begins.
func (t *translator) notify(c *directive, b *out, at int) {
	on := map[string][]string{
		"notify": {"active", "backup", "fault", "stop"}, "notify_master": {"active"}, "notify_backup": {"backup"}, "notify_fault": {"fault"},
		"notify_stop": {"stop"}, "notify_master_rx_lower_pri": {"split_brain"}, "quorum_up": {"up"}, "quorum_down": {"down"},
		"notify_up": {"server_up"}, "notify_down": {"server_down"},
	}[c.name()]
	argv, user := t.script(c, at)
	if argv == nil {
		return
	}
	n := b.open("notify", c)
	n.texts("command", argv, c)
	n.texts("on", on, c)
	t.user(c, n, user)
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
			t.notify(c, b, 0)
		case "smtp_alert":
			t.alert(c, b, t.mail.vrrp, []string{"active", "backup", "fault", "stop"})
		case "track_interface", "track_script", "track_file", "track_process", "track_bfd":
			// in each of the instances, see there
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
