package keepalived

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// translator turns the tree of directives into the tree of HCL.
type translator struct {
	warnings []Warning
	seen     map[Warning]bool

	scripts, files, processes, sessions, groups map[string]*directive // definitions by name
	instances                                   map[string]*directive
	memberOf                                    map[string]*directive  // sync group of an instance
	locals                                      map[string]*directive  // local_address_group of dpvs
	exists                                      func(path string) bool // nil where nobody can tell

	defaults defaults
	mail     mail
	names    map[string]bool     // of virtual servers
	used     map[*directive]bool // definitions that something refers to
	sync     *directive          // lvs_sync_daemon
	ssl      *directive
	delays   map[string]*directive // interface_up_down_delays, by interface
	full     map[*directive]bool   // instances whose advertisements carry no more addresses
	userTold bool                  // that commands without a user run as usher
	waitTold bool                  // that a timeout is of the whole probe
}

func (t *translator) warn(d *directive, reason string) { t.warnAt(d.file, d.number, shown(d), reason) }

func (t *translator) warnAt(file string, number int, directive, reason string) {
	w := Warning{File: file, Line: number, Directive: directive, Reason: reason}
	if t.seen == nil {
		t.seen = map[Warning]bool{}
	}
	if !t.seen[w] {
		t.seen[w] = true
		t.warnings = append(t.warnings, w)
	}
}

// shown is a directive as a warning names it. Words that may be secrets are left out.
func shown(d *directive) string {
	switch d.name() {
	case "auth_pass", "password", "key":
		return d.name()
	}
	return printable(strings.Join(d.words[:min(len(d.words), 4)], " "))
}

// printable keeps what is not meant for a terminal out of messages.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// sorted are the warnings in the order of files and lines.
func (t *translator) sorted() []Warning {
	order := map[string]int{}
	for _, w := range t.warnings {
		if _, ok := order[w.File]; !ok {
			order[w.File] = len(order)
		}
	}
	slices.SortStableFunc(t.warnings, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return t.warnings
}

// each handles the directives of a block in order, with their comments around.
func (t *translator) each(d *directive, o *out, handle func(*directive)) {
	for _, c := range d.body {
		t.one(c, o, handle)
	}
	o.note(d.tail...)
}

func (t *translator) one(c *directive, o *out, handle func(*directive)) {
	o.note(c.lead...)
	before := len(o.items)
	told := len(t.warnings)
	handle(c)
	leftOut := len(o.items) == before && len(t.warnings) > told
	switch {
	case c.trail == "":
	case len(o.items) > before && o.items[len(o.items)-1].trail == "" && o.items[len(o.items)-1].comment == "":
		o.items[len(o.items)-1].trail = c.trail
	default:
		o.note(c.trail)
	}
	if leftOut {
		o.note(notes(c)...)
	}
}

// preamble says where usher means otherwise by the same words, on purpose.
const preamble = `# Imported from keepalived. What usher does otherwise, on purpose:
# - real servers are out until their first probe, which comes at once;
# - a tcp check ends at SYN-ACK, so that the server never sees a connection;
# - http checks speak HTTP/1.1 where http_protocol does not say otherwise.`

// translate is the whole configuration.
func (t *translator) translate(root *directive) *out {
	t.scripts, t.files, t.processes = map[string]*directive{}, map[string]*directive{}, map[string]*directive{}
	t.sessions, t.groups, t.names = map[string]*directive{}, map[string]*directive{}, map[string]bool{}
	t.instances, t.memberOf = map[string]*directive{}, map[string]*directive{}
	t.delays, t.locals = map[string]*directive{}, map[string]*directive{}
	t.used, t.full = map[*directive]bool{}, map[*directive]bool{}
	t.defaults = newDefaults()
	t.collect(root)
	o := &out{}
	o.note(strings.Split(preamble, "\n")...)
	body := &out{}
	t.each(root, body, func(d *directive) { t.top(d, body) })
	o.items = append(append(o.items, &item{blank: true}), body.items...)
	t.globalRest(o)
	t.unused()
	return o
}

// unused warns of definitions that nothing refers to: they would vanish in silence.
func (t *translator) unused() {
	for _, m := range []map[string]*directive{t.scripts, t.files, t.processes, t.groups, t.locals} {
		for _, d := range m {
			if !t.used[d] {
				t.warn(d, "nothing refers to it; usher writes it where it is used")
			}
		}
	}
	for _, c := range t.delays {
		if !t.used[c] {
			t.warn(c, "no instance is on this interface or tracks it")
		}
	}
	if t.ssl != nil && !t.used[t.ssl] {
		t.warn(t.ssl, "there is no SSL_GET that would use it")
	}
}

// collect finds what other directives refer to, wherever it stands.
func (t *translator) collect(root *directive) {
	define := func(m map[string]*directive, d *directive) {
		if d.arg(0) == "" {
			t.warn(d, "it has no name")
			return
		}
		m[d.arg(0)] = d
	}
	for _, d := range root.body {
		switch d.name() {
		case "vrrp_script":
			define(t.scripts, d)
		case "track_file", "vrrp_track_file":
			define(t.files, d)
		case "vrrp_track_process":
			define(t.processes, d)
		case "bfd_instance":
			define(t.sessions, d)
		case "virtual_server_group":
			define(t.groups, d)
		case "local_address_group":
			define(t.locals, d)
		case "vrrp_instance":
			define(t.instances, d)
		case "vrrp_sync_group":
			for _, c := range d.body {
				if c.name() == "group" {
					for _, name := range c.items() {
						t.memberOf[name] = d
					}
				}
			}
		case "global_defs":
			t.defaults.read(t, d)
			t.mail.read(d)
			for _, c := range d.body {
				if c.name() == "lvs_sync_daemon" {
					t.sync = c
				}
			}
		case "SSL":
			t.ssl = d
		case "interface_up_down_delays":
			for _, c := range d.body {
				t.delays[c.name()] = c
			}
		}
	}
}

// top translates one directive of the top level.
func (t *translator) top(d *directive, o *out) {
	switch d.name() {
	case "global_defs":
		t.global(d, o)
	case "vrrp_instance":
		t.instance(d, o)
	case "vrrp_sync_group":
		t.syncGroup(d, o)
	case "virtual_server":
		t.virtualServers(d, o)
	case "bfd_instance":
		t.session(d, o)
	case "vrrp_script", "track_file", "vrrp_track_file", "vrrp_track_process", "virtual_server_group", "local_address_group":
		t.definition(d, o)
	case "SSL":
		t.sslBlock(d)
	case "interface_up_down_delays":
		o.note(notes(d)...)
	default:
		t.unknown(d, topReasons())
	}
}

// definition keeps the comments of what is written where it is used.
func (t *translator) definition(d *directive, o *out) {
	for _, c := range d.body {
		o.note(c.lead...)
		if c.trail != "" {
			o.note(c.trail)
		}
	}
	o.note(d.tail...)
	known := map[string][]string{
		"vrrp_script":          {"script", "interval", "timeout", "weight", "rise", "fall", "user", "init_fail"},
		"track_file":           {"file", "weight", "init_file"},
		"vrrp_track_file":      {"file", "weight", "init_file"},
		"vrrp_track_process":   {"process", "weight", "quorum", "param_match", "quorum_max", "delay", "fork_delay", "terminate_delay", "full_command"},
		"virtual_server_group": nil, "local_address_group": nil,
	}[d.name()]
	for _, c := range d.body {
		if known != nil && !slices.Contains(known, c.name()) {
			t.warn(c, "usher does not know it in "+d.name())
		}
	}
}

// unknown warns of a directive that is not carried over, with the reason if there
// is one to give.
func (t *translator) unknown(d *directive, reasons map[string]string) {
	reason, known := reasons[d.name()]
	switch {
	case known:
	case strings.HasPrefix(d.name(), "$"):
		reason = "a variable that is not defined, or a definition with a space before its equals sign, which keepalived does not take for one"
	default:
		reason = "usher does not know this directive here"
	}
	t.warn(d, reason)
}

// seconds reads a time in seconds, which may have a fraction.
func (t *translator) seconds(d *directive, text string) (string, bool) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 || v > 1e7 {
		t.warn(d, strconv.Quote(text)+" is not a number of seconds")
		return "", false
	}
	return duration(time.Duration(v*1e6+0.5) * time.Microsecond), true
}

// duration writes a time as people do: 60s, 500ms, 1.5s.
func duration(v time.Duration) string {
	switch {
	case v%time.Second == 0:
		return strconv.FormatInt(int64(v/time.Second), 10) + "s"
	case v < time.Second:
		return v.String()
	}
	return strconv.FormatFloat(v.Seconds(), 'f', -1, 64) + "s"
}

// integer reads a whole number.
func (t *translator) integer(d *directive, text string) (int, bool) {
	n, err := strconv.Atoi(text)
	if err != nil {
		t.warn(d, strconv.Quote(text)+" is not a whole number")
		return 0, false
	}
	return n, true
}

// truth reads on, off and their like; a bare directive means on.
func (t *translator) truth(d *directive) bool {
	switch strings.ToLower(d.arg(0)) {
	case "", "on", "true", "yes", "1":
		return true
	case "off", "false", "no", "0":
		return false
	}
	t.warn(d, "neither true nor false; taken as true")
	return true
}
