package keepalived

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// isCheck says whether a directive of real_server is a checker.
func isCheck(name string) bool { return checkTypes()[name] != "" }

// checkTypes are usher's types of keepalived's checkers.
func checkTypes() map[string]string {
	return map[string]string{
		"TCP_CHECK": "tcp", "HTTP_GET": "http", "SSL_GET": "https", "SMTP_CHECK": "smtp", "DNS_CHECK": "dns", "MISC_CHECK": "exec",
		"PING_CHECK": "ping", "UDP_CHECK": "udp", "BFD_CHECK": "bfd", "FILE_CHECK": "file",
	}
}

// checker is one checker while it is translated, with what it inherits.
type checker struct {
	vs, server, d *directive
	kind          string
	urls          int // of an HTTP server, how many the check that is written asks for
}

// setting is a directive of the checker, or what it inherits.
func (k checker) setting(name string) *directive {
	for _, d := range []*directive{k.d, k.server, k.vs} {
		if c := find(d, name); c != nil {
			return c
		}
	}
	return nil
}

// checks translates all checkers of a server.
func (t *translator) checks(vs, server *directive) []*item {
	o := &out{}
	count := map[string]int{}
	for _, d := range server.body {
		kind := checkTypes()[d.name()]
		if kind == "" {
			continue
		}
		before := len(o.items)
		t.check(checker{vs: vs, server: server, d: d, kind: kind}, o)
		for _, i := range o.items[before:] {
			if i.block == "" {
				continue
			}
			i.from = d
			if count[kind]++; count[kind] > 1 {
				// First, as what tells the checks apart.
				i.body.items = append([]*item{{key: "name", value: cty.StringVal(strconv.Itoa(count[kind])), from: d}}, i.body.items...)
			}
		}
	}
	return o.items
}

// checksFrom are those of the checks that come of one checker.
func checksFrom(all []*item, d *directive) []*item {
	var own []*item
	for _, i := range all {
		if i.from == d {
			own = append(own, i)
		}
	}
	return own
}

func (t *translator) check(k checker, o *out) {
	switch k.kind {
	case "file":
		t.fileCheck(k, o)
		return
	case "http", "https":
		t.httpChecks(k, o)
		return
	case "smtp":
		if find(k.d, "host") != nil {
			t.smtpHosts(k, o)
			return
		}
	}
	b := o.open("health_check", k.d, k.kind)
	t.each(k.d, b, func(c *directive) { t.checkPart(c, b, k) })
	t.times(k, b)
	if k.kind == "bfd" {
		name := find(k.d, "name")
		if name == nil || t.sessions[name.arg(0)] == nil {
			t.warn(k.d, "there is no bfd_instance of that name")
			o.without(o.items[len(o.items)-1])
			return
		}
		t.used[t.sessions[name.arg(0)]] = true
		session := withoutComments(t.sessions[name.arg(0)])
		t.sessionKeys(session, b, false)
	}
}

// fileCheck translates FILE_CHECK with weight 0, by which any number but 0 takes the
// server out.
func (t *translator) fileCheck(k checker, o *out) {
	name := find(k.d, "track_file")
	if name == nil || t.files[name.arg(0)] == nil {
		t.warn(k.d, "there is no track_file of that name")
		return
	}
	file := t.files[name.arg(0)]
	t.used[file] = true
	weight := find(k.d, "weight")
	if weight == nil {
		weight = find(file, "weight")
	}
	path := find(file, "file")
	switch {
	case path == nil || path.arg(0) == "":
		t.warn(file, "no file is given")
	case weight == nil || weight.arg(0) != "0" || weight.arg(1) == "reverse":
		from := name
		if weight != nil {
			from = weight
		}
		t.warn(from, "usher does not add a file's number to a weight; with weight 0 it is carried over, and mode = \"weight\" takes the number for the weight itself")
	default:
		b := o.open("health_check", k.d, k.kind)
		t.each(k.d, b, func(c *directive) {
			switch c.name() {
			case "track_file":
				b.text("path", path.arg(0), path)
				b.text("mode", "zero", c)
			case "weight":
			default:
				t.checkPart(c, b, k)
			}
		})
		b.text("interval", "1s", k.d) // keepalived hears of the file's changes from the kernel
		b.number("rise", 1, k.d)
		b.number("fall", 1, k.d)
	}
}

// smtpHosts translates an SMTP_CHECK of several hosts into a check of each.
func (t *translator) smtpHosts(k checker, o *out) {
	first := true
	for _, h := range k.d.body {
		if h.name() != "host" {
			continue
		}
		d := *k.d
		if !first {
			d = *withoutComments(k.d)
		}
		first = false
		b := o.open("health_check", k.d, k.kind)
		t.each(&d, b, func(c *directive) {
			if c.name() != "host" {
				t.checkPart(c, b, k)
			}
		})
		t.each(h, b, func(c *directive) { t.checkPart(c, b, k) })
		t.times(k, b)
	}
}

// times writes when a check runs and how many failures count. keepalived probes
// every minute by default and takes a server in after one success.
func (t *translator) times(k checker, b *out) {
	retry, pause := "1", "1"
	switch k.kind {
	case "dns":
		retry, pause = "3", ""
	case "exec":
		retry = "0"
	case "http", "https":
		pause = "3"
	case "bfd": // a session has times of its own
		return
	}
	write := func(key, directive, standard string) {
		from, text := k.d, standard
		if c := k.setting(directive); c != nil {
			from, text = c, c.arg(0)
		}
		if text == "" {
			return
		}
		if v, ok := t.seconds(from, text); ok && v != "0s" {
			b.text(key, v, from)
		}
	}
	write("interval", "delay_loop", "60")
	if k.kind != "exec" {
		t.timeout(k, b)
	} else if c := find(k.d, "misc_timeout"); c != nil {
		if v, ok := t.seconds(c, c.arg(0)); ok {
			b.text("timeout", v, c)
		}
	} else {
		write("timeout", "delay_loop", "60")
	}
	b.number("rise", 1, k.d)
	if c := k.setting("retry"); c != nil {
		retry = c.arg(0)
	}
	if c := find(k.d, "nb_get_retry"); c != nil && k.isHTTP() {
		retry = c.arg(0)
	}
	n, err := strconv.Atoi(retry)
	if err != nil || n < 0 {
		t.warn(k.d, strconv.Quote(retry)+" is not a number of retries")
		n = 1
	}
	b.number("fall", n+1, k.d)
	if n > 0 {
		write("fast_interval", "delay_before_retry", pause)
	}
	if k.setting("warmup") != nil && find(k.d, "warmup") != nil && find(k.d, "warmup").arg(0) != "0" {
		t.warn(find(k.d, "warmup"), "usher spreads probes over the interval by itself")
	}
}

func (k checker) isHTTP() bool { return k.kind == "http" || k.kind == "https" }

// longest is the longest timeout that a check may have in usher's configuration.
const longest = time.Hour

// waits is for how many things in a row keepalived waits connect_timeout at least: an
// HTTP server has it to accept the connection, again for the handshake of TLS, and again
// to answer, and all that for each of its urls; a mail server has it to accept, to greet
// and to answer HELO (the answer to QUIT, which keepalived awaits, too, is none of
// usher's). In usher a timeout is of the whole probe.
func (k checker) waits() int {
	switch k.kind {
	case "http":
		return 2 * max(1, k.urls)
	case "https":
		return 3 * max(1, k.urls)
	case "smtp":
		return 3
	}
	return 1
}

// timeout writes the deadline of a probe.
func (t *translator) timeout(k checker, b *out) {
	from, text := k.d, "5"
	if c := k.setting("connect_timeout"); c != nil {
		from, text = c, c.arg(0)
	}
	each, ok := t.seconds(from, text)
	if !ok || each == "0s" {
		return
	}
	one, err := time.ParseDuration(each)
	if err != nil {
		return
	}
	b.text("timeout", duration(max(one, min(longest, one*time.Duration(k.waits())))), from)
	if k.waits() > 1 && !t.waitTold {
		t.waitTold = true
		t.warn(from, fmt.Sprintf("keepalived waits %s for the connection and again for each step to the answer, usher's timeout is of the whole probe: "+
			"%d times that is written here (2 times for each url of HTTP, 3 times with TLS, and 3 times for SMTP), and likewise in each further check, so that a server that does not even accept is found out later", each, k.waits()))
	}
}

// checkPart translates one directive of a checker.
func (t *translator) checkPart(c *directive, b *out, k checker) {
	switch c.name() {
	case "nb_get_retry":
		if !k.isHTTP() {
			t.warn(c, "keepalived knows it in HTTP_GET and SSL_GET only and passes over it here, and so does the import; retry holds")
		}
	case "retry", "delay_loop", "connect_timeout", "delay_before_retry", "warmup", "misc_timeout":
		// all together at the end
	case "alpha":
		// usher's servers are out until their first probe
	case "connect_ip":
		b.text("address", c.arg(0), c)
	case "connect_port", "fwmark", "bind_port":
		if n, ok := t.integer(c, c.arg(0)); ok {
			b.number(map[string]string{"connect_port": "port", "fwmark": "mark", "bind_port": "bind_port"}[c.name()], n, c)
		}
	case "bindto":
		b.text("bind_address", c.arg(0), c)
	case "bind_if":
		b.text("interface", c.arg(0), c)
	default:
		t.typedPart(c, b, k)
	}
}

func (t *translator) typedPart(c *directive, b *out, k checker) {
	switch k.kind + " " + c.name() {
	case "smtp helo_name":
		b.text("helo", c.arg(0), c)
	case "dns type":
		b.text("type", strings.ToUpper(c.arg(0)), c)
	case "dns name":
		b.text("question", c.arg(0), c)
	case "exec misc_path":
		b.texts("command", t.command(c), c)
		t.user(c, b, t.runsAs(find(k.d, "user")))
		if find(k.d, "misc_dynamic") == nil {
			b.text("warning", "down", c) // exit status 1 is a failure for keepalived
		}
	case "exec misc_dynamic":
		b.text("dynamic_weight", "exit", c)
	case "exec user":
		// at the command
	case "udp payload":
		t.hexKey(c, b, "payload_hex", false)
	case "udp require_reply":
		b.flag("require_reply", true, c)
		if find(k.d, "max_reply_length") == nil {
			b.number("max_reply", 255, c) // keepalived's default
		}
		if c.arg(0) != "" {
			t.hexKey(c, b, "expect_hex", true)
		}
	case "udp min_reply_length", "udp max_reply_length":
		if n, ok := t.integer(c, c.arg(0)); ok {
			b.number(strings.TrimSuffix(c.name(), "_length"), n, c)
		}
	case "bfd name":
		// the session's own settings are written
	default:
		t.unknown(c, checkReasons())
	}
}
