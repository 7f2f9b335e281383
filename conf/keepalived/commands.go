package keepalived

import (
	"strings"
)

// script reads the command of a script directive: program and arguments, and the
// user that may follow them.
func (t *translator) script(d *directive) (argv []string, user string) {
	args := d.args()
	if len(args) == 0 || args[0] == "" {
		t.warn(d, "no command is given")
		return nil, ""
	}
	parts, ok := words(args[0], true)
	if !ok {
		t.warn(d, "a quote within the command is not closed")
	}
	for _, p := range parts {
		argv = append(argv, p.text)
	}
	if len(args) > 1 {
		user = args[1]
		t.groupOf(d, user, args[2:])
	}
	return argv, user
}

// groupOf tells of the group that is named behind a user.
func (t *translator) groupOf(d *directive, user string, rest []string) {
	if len(rest) > 0 {
		t.warn(d, "the group "+strings.Join(rest, " ")+" is not carried over: usher runs it with the groups of "+user)
	}
}

// command reads a script or misc_path: one word, quoted where it has arguments, and no
// user.
func (t *translator) command(d *directive) []string {
	if rest := d.args()[min(1, len(d.args())):]; len(rest) > 0 {
		t.warn(d, "keepalived passes over "+strings.Join(rest, " ")+", as arguments need quotes around the whole command; so does the import")
	}
	one := *d
	one.words = d.words[:min(2, len(d.words))]
	argv, _ := t.script(&one)
	if len(argv) > 0 && strings.ContainsAny(argv[0], "<>|&;()`$") {
		t.warn(d, "it is no program but a line for a shell, which is written around it: /bin/sh -c")
		argv = []string{"/bin/sh", "-c", d.arg(0)}
	}
	return argv
}

// runsAs reads a user directive, nil for none.
func (t *translator) runsAs(d *directive) string {
	if d == nil {
		return ""
	}
	t.groupOf(d, d.arg(0), d.args()[min(1, len(d.args())):])
	return d.arg(0)
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
		t.warn(c, "no user is given here or in script_user: keepalived takes keepalived_script where there is one, usher runs commands as itself, this one and each further one without a user")
	}
}

// notify translates a notify directive.
func (t *translator) notify(c *directive, b *out) {
	on := map[string][]string{
		"notify": {"active", "backup", "fault", "stop"}, "notify_master": {"active"}, "notify_backup": {"backup"}, "notify_fault": {"fault"},
		"notify_stop": {"stop"}, "notify_master_rx_lower_pri": {"split_brain"}, "quorum_up": {"up"}, "quorum_down": {"down"},
		"notify_up": {"server_up"}, "notify_down": {"server_down"},
	}[c.name()]
	for _, i := range b.items {
		if i.block == "notify" && i.from != nil && i.from.name() == c.name() {
			t.warn(c, "left out, as by keepalived, which takes the first "+c.name())
			return
		}
	}
	argv, user := t.script(c)
	if argv == nil {
		return
	}
	n := b.open("notify", c)
	n.texts("command", argv, c)
	if c.name() != "notify" {
		n.flag("arguments", false, c) // keepalived appends them for notify alone
	}
	n.texts("on", on, c)
	t.user(c, n, user)
}
