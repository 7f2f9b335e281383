package conf

import (
	"net"
	"net/mail"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"

	"usher/director"
	"usher/director/ipvs"
)

func (b *builder) global(n *node) Global {
	if n == nil {
		n = &node{spec: globalBlock()}
	}
	log := n.one("log")
	if log == nil {
		log = &node{spec: n.spec.child("log")}
	}
	g := Global{
		RouterID: n.text("router_id"), State: n.text("state"), Control: n.text("control"), HTTP: n.text("http"), HTTPHosts: n.texts("http_hosts"),
		Log:    Log{Level: log.text("level"), Format: log.text("format")},
		OnStop: n.text("on_stop"), ManageSysctls: n.flag("manage_sysctls"),
		Alerts: b.alerts(n, allWords()),
	}
	if g.RouterID == "" {
		g.RouterID, _ = os.Hostname()
	}
	for _, name := range []string{"state", "control"} {
		if n.given(name) && n.text(name) == "" {
			b.complain(n.at(name), "Empty path", "%s must be a path.", name)
		}
	}
	if g.HTTP != "" {
		b.hostPort(n, "http", g.HTTP, true)
	}
	for i, name := range g.HTTPHosts {
		if _, _, err := net.SplitHostPort(name); err == nil || name == "" || strings.ContainsAny(name, "/ ") {
			b.complain(n.values["http_hosts"].item(i), "Not a name", "http_hosts takes names such as lb1.example.org, without scheme and port, not %q.", name)
		}
	}
	if r := n.one("remote"); r != nil {
		b.hostPort(r, "listen", r.text("listen"), true)
		g.Remote = &Remote{Listen: r.text("listen"), CertFile: r.path("cert_file"), KeyFile: r.path("key_file"), ClientCAFile: r.path("client_ca_file")}
	}
	if i := n.one("ipvs"); i != nil {
		g.IPVS = IPVS{
			TCPTimeout: i.duration("tcp_timeout"), TCPFinTimeout: i.duration("tcp_fin_timeout"), UDPTimeout: i.duration("udp_timeout"),
			ExpireNodestConn: i.flagIf("expire_nodest_conn"), ExpireQuiescentTemplate: i.flagIf("expire_quiescent_template"),
			Conntrack: i.flagIf("conntrack"), SloppyTCP: i.flagIf("sloppy_tcp"), ScheduleICMP: i.flagIf("schedule_icmp"),
		}
		if i.given("conn_reuse_mode") {
			mode := i.number("conn_reuse_mode")
			g.IPVS.ConnReuseMode = &mode
		}
		if s := i.one("sync"); s != nil {
			g.IPVS.Sync = &Sync{
				Interface: s.text("interface"), Instance: s.text("instance"), ID: uint8(s.number("id")), Group: s.ip("group"),
				Port: uint16(s.number("port")), TTL: uint8(s.number("ttl")), MaxLength: uint16(s.number("max_length")),
			}
			if g := s.ip("group"); g.IsValid() && !g.IsMulticast() {
				b.complain(s.at("group"), "Not a multicast group", "group must be a multicast address, not %s.", g)
			}
		}
	}
	return g
}

// setDefaults turns on what every director needs: without them, clients with a
// connection or a persistence template go on to a server that is gone or drained.
func (i *IPVS) setDefaults() {
	for _, flag := range []**bool{&i.ExpireNodestConn, &i.ExpireQuiescentTemplate} {
		if *flag == nil {
			yes := true
			*flag = &yes
		}
	}
}

// flagIf is a flag, or nil where it is not given.
func (n *node) flagIf(name string) *bool {
	if !n.given(name) {
		return nil
	}
	v := n.flag(name)
	return &v
}

// child finds the schema of a block within.
func (b *block) child(name string) *block {
	return b.blocks[slices.IndexFunc(b.blocks, func(c *block) bool { return c.name == name })]
}

// sync checks the instance that connection synchronisation follows.
func (b *builder) sync(global *node) {
	if s := global.one("ipvs").one("sync"); s != nil && s.given("instance") && !s.bad("instance") {
		b.reference("vrrp_instance", s.text("instance"), b.instances, s.at("instance"))
	}
}

// alerts reads who hears of changes; words are those of `on` for the object.
func (b *builder) alerts(n *node, words []string) Alerts {
	on := func(n *node) []string {
		if !n.given("on") {
			return words
		}
		if len(n.texts("on")) == 0 && !n.values["on"].bad {
			b.complain(n.at("on"), "Empty list", "on names no change, so nothing would ever be reported.")
		}
		return n.texts("on")
	}
	var a Alerts
	for _, c := range n.all("notify") {
		b.command(c)
		a.Notify = append(a.Notify, Notify{Command: c.texts("command"), NoArguments: !c.flag("arguments"), On: on(c), User: c.text("user"), Timeout: c.duration("timeout")})
	}
	for _, c := range n.all("webhook") {
		b.url(c)
		words := on(c)
		b.body(c, words)
		a.Webhooks = append(a.Webhooks, Webhook{
			URL: c.label(), On: words, Body: BodyTemplate(c.text("body")), ContentType: c.text("content_type"), Secret: b.secret(c, "secret"), CAFile: c.path("ca_file"),
			Timeout: c.duration("timeout"), Retries: c.number("retries"),
		})
	}
	for _, c := range n.all("email") {
		a.Emails = append(a.Emails, b.email(c, on(c)))
	}
	return a
}

func (b *builder) email(n *node, on []string) Email {
	e := Email{
		Server: n.text("server"), From: n.text("from"), To: n.texts("to"), On: on, StartTLS: n.text("starttls"),
		User: n.text("user"), Password: b.secret(n, "password"), HELO: n.text("helo"), CAFile: n.path("ca_file"), Timeout: n.duration("timeout"),
	}
	if _, _, err := net.SplitHostPort(e.Server); err != nil && e.Server != "" {
		e.Server = net.JoinHostPort(e.Server, "25")
	}
	b.hostPort(n, "server", e.Server, false)
	if strings.ContainsFunc(e.HELO, unicode.IsSpace) {
		b.complain(n.at("helo"), "Not a name", "helo must be one name such as lb1.example.org, not %q.", e.HELO)
	}
	if v := n.values["from"]; v != nil && !v.bad {
		b.mailbox(v.at, "from", e.From)
	}
	if v := n.values["to"]; v != nil && !v.bad {
		for i, to := range e.To {
			b.mailbox(v.item(i), "to", to)
		}
	}
	if n.given("to") && len(e.To) == 0 && !n.values["to"].bad {
		b.complain(n.at("to"), "Empty list", "to names no recipient.")
	}
	if e.User == "" && (n.given("password") || n.given("password_file")) {
		b.complain(n.own(), "Password without a user", "Give user, whom the password belongs to.")
	}
	return e
}

// mailbox checks who sends or gets mail: an address, with a name or without, or the
// name of a local user.
func (b *builder) mailbox(at hcl.Range, name, who string) {
	if _, err := mail.ParseAddress(who); err != nil && (who == "" || strings.ContainsAny(who, "<>@\", \t\r\n")) {
		b.complain(at, "Not a mail address", "%s must be one address such as ops@example.org or Ops <ops@example.org>, not %q.", name, who)
	}
}

// command checks the command of a block: a program by its path, since it is run
// without a shell and perhaps with another PATH.
func (b *builder) command(n *node) {
	v := n.values["command"]
	if v == nil || v.bad {
		return
	}
	if argv := n.texts("command"); len(argv) == 0 || argv[0] == "" {
		b.complain(v.at, "Empty command", "command must name a program, as in [\"/usr/bin/pgrep\", \"haproxy\"].")
	}
	b.runsAs(n)
	b.runnable(n)
}

// DirectorSettings are the kernel settings as the director wants them.
func (c *Config) DirectorSettings() director.Settings {
	g := c.Global
	s := director.Settings{
		ManageSysctls: g.ManageSysctls,
		TCPTimeout:    g.IPVS.TCPTimeout, TCPFinTimeout: g.IPVS.TCPFinTimeout, UDPTimeout: g.IPVS.UDPTimeout,
		ExpireNodestConn: g.IPVS.ExpireNodestConn, ExpireQuiescentTemplate: g.IPVS.ExpireQuiescentTemplate,
		Conntrack: g.IPVS.Conntrack, SloppyTCP: g.IPVS.SloppyTCP, ScheduleICMP: g.IPVS.ScheduleICMP, ConnReuseMode: g.IPVS.ConnReuseMode,
	}
	c.announcedSettings(&s)
	if y := g.IPVS.Sync; y != nil {
		s.Sync = &director.Sync{Instance: y.Instance, Daemon: ipvs.SyncDaemon{
			Interface: y.Interface, ID: y.ID, Group: y.Group, Port: y.Port, TTL: y.TTL, MaxLength: y.MaxLength,
		}}
	}
	return s
}
