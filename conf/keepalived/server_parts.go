package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// serverPart translates one directive of virtual_server.
func (t *translator) serverPart(c *directive, b *out, p *pool) {
	switch c.name() {
	case "protocol", "ip_family", "virtualhost", "delay_loop", "connect_timeout", "retry", "delay_before_retry", "warmup":
		// protocol and family stand at the address; the others are in each check
		if c.name() == "warmup" {
			t.unknown(c, serverReasons())
		}
	case "real_server":
		t.realServer(c, b, p)
	case "sorry_server":
		t.sorry(c, b, p)
	case "sorry_server_lvs_method":
		if find(p.d, "sorry_server") == nil {
			t.warn(c, "there is no sorry_server")
		}
	case "lb_algo", "lvs_sched":
		t.scheduler(c, b)
	case "lb_kind", "lvs_method":
		p.forward = t.forward(c, b)
	case "laddr_group_name":
		t.localAddresses(c, b, p)
	case "flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback":
		b.add("scheduler_flags", c.name(), c)
	case "hashed":
		// the kernel's own bit
	case "ops":
		b.flag("one_packet", true, c)
	case "persistence_timeout":
		value := "360"
		if c.arg(0) != "" {
			value = c.arg(0)
		}
		if s, ok := t.seconds(c, value); ok {
			b.text("persistence", s, c)
		}
	case "persistence_granularity":
		b.text("persistence_netmask", c.arg(0), c)
	case "persistence_engine":
		b.text("persistence_engine", c.arg(0), c)
	case "alpha":
		// usher's servers are out until their first probe
	case "quorum":
		t.quorum(c, b, p)
	case "hysteresis":
		if n, ok := t.integer(c, c.arg(0)); ok && n > 0 {
			b.number("hysteresis", n, c)
		}
	case "quorum_up", "quorum_down":
		t.notify(c, b)
	case "inhibit_on_failure":
		if t.truth(c) {
			b.text("on_failure", "quiesce", c)
		}
	case "weight":
		if n, ok := t.integer(c, c.arg(0)); ok {
			b.number("weight", n, c)
		}
	case "smtp_alert":
		t.alert(c, b, t.mail.checker, []string{"up", "down", "server_up", "server_down"})
	case "uthreshold", "lthreshold":
		t.threshold(c, b)
	default:
		t.unknown(c, serverReasons())
	}
}

func (t *translator) scheduler(c *directive, b *out) {
	b.text("scheduler", c.arg(0), c)
	for _, word := range c.args()[min(1, len(c.args())):] {
		b.add("scheduler_flags", word, c)
	}
}

// forward translates lb_kind and the tunnel's type behind TUN.
func (t *translator) forward(c *directive, b *out) string {
	method := methods()[strings.ToUpper(c.arg(0))]
	if method == "" {
		t.warn(c, strconv.Quote(c.arg(0))+" is neither NAT, DR nor TUN (nor FNAT of dpvs); keepalived takes NAT")
		method = "nat"
	}
	b.text("forward_method", method, c)
	args := c.args()[min(1, len(c.args())):]
	if len(args) == 0 {
		return method
	}
	tunnel := b.shared("tunnel", c)
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "type":
			if i++; i < len(args) {
				tunnel.text("type", args[i], c)
			}
		case "port":
			if i++; i < len(args) {
				if n, ok := t.integer(c, args[i]); ok {
					tunnel.number("port", n, c)
				}
			}
		case "nocsum":
		case "csum", "remcsum":
			tunnel.text("checksum", args[i], c)
		default:
			t.warn(c, args[i]+" of a tunnel is not carried over")
		}
	}
	return method
}

// methods are the forward methods of keepalived, and of dpvs's.
func methods() map[string]string {
	return map[string]string{"NAT": "nat", "DR": "dr", "TUN": "tun", "FNAT": "fullnat"}
}

// localAddresses translates laddr_group_name of dpvs: the addresses that full NAT sends from.
func (t *translator) localAddresses(c *directive, b *out, p *pool) {
	g := t.locals[c.arg(0)]
	switch {
	case p.methodOf(p.d) != "fullnat":
		t.warn(c, "it has a meaning with lb_kind FNAT only")
		return
	case g == nil:
		t.warn(c, "there is no local_address_group of this name")
		return
	}
	t.used[g] = true
	for _, e := range g.body {
		if a, err := prefix(e.name()); err == nil {
			b.add("snat_addresses", a.String(), e)
		} else {
			t.warn(e, "not an address")
		}
	}
}

// quorum keeps what keepalived really uses: it lowers one that can never be reached.
func (t *translator) quorum(c *directive, b *out, p *pool) {
	n, ok := t.integer(c, c.arg(0))
	if !ok {
		return
	}
	if n > p.weights && len(p.servers) > 0 {
		t.warn(c, "all weights together are "+strconv.Itoa(p.weights)+", to which keepalived lowers it, and so does the import")
		n = max(p.weights, 1)
	}
	b.number("quorum", n, c)
}

func (t *translator) threshold(c *directive, b *out) {
	if n, ok := t.integer(c, c.arg(0)); ok && n > 0 {
		b.number(map[string]string{"uthreshold": "upper_threshold", "lthreshold": "lower_threshold"}[c.name()], n, c)
	}
}

// server is the label of a server: keepalived forces the service's port where the
// method cannot change it.
func (t *translator) server(c *directive, p *pool, forward string) (string, bool) {
	a, err := netip.ParseAddr(c.arg(0))
	if err != nil {
		t.warn(c, strconv.Quote(c.arg(0))+" is not an address")
		return "", false
	}
	port := c.arg(1)
	if (forward == "dr" || forward == "tun") && p.address != "" && port != "" && port != p.port {
		t.warn(c, forward+" cannot change the port: keepalived takes the service's port "+p.port+", and so does the import")
		port = p.port
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case port == "" || port == "0" || p.port == "0" && port == p.port:
		return a.String(), true
	case err != nil:
		t.warn(c, strconv.Quote(port)+" is not a port")
		return "", false
	}
	return netip.AddrPortFrom(a, uint16(n)).String(), true
}

// method is the forward method of a server, its own or the virtual server's.
func method(d *directive, name string, standard string) string {
	if c := find(d, name); c != nil {
		if m := methods()[strings.ToUpper(c.arg(0))]; m != "" {
			return m
		}
	}
	return standard
}

func (t *translator) sorry(c *directive, b *out, p *pool) {
	forward := p.methodOf(p.d)
	own := find(p.d, "sorry_server_lvs_method")
	if own != nil {
		forward = method(p.d, "sorry_server_lvs_method", forward)
	}
	label, ok := t.server(c, p, forward)
	if !ok {
		return
	}
	s := b.open("sorry_server", c, label)
	if own != nil {
		t.forward(own, s)
	}
}

// methodOf is the forward method of the whole pool.
func (p *pool) methodOf(d *directive) string {
	return method(d, "lvs_method", method(d, "lb_kind", "nat"))
}

// realServer translates real_server; its checks are the virtual server's where all
// have the same.
func (t *translator) realServer(c *directive, b *out, p *pool) {
	forward := method(c, "lvs_method", method(c, "lb_kind", p.methodOf(p.d)))
	label, ok := t.server(c, p, forward)
	if !ok {
		b.note(notes(c)...)
		return
	}
	s := b.open("real_server", c, label)
	n := slices.Index(p.servers, c)
	t.each(c, s, func(k *directive) {
		if isCheck(k.name()) {
			made := checksFrom(p.checks[n], k)
			if !p.hoist {
				s.items = append(s.items, made...)
			}
			return
		}
		t.realPart(k, s, b, p)
	})
}

func (t *translator) realPart(k *directive, s, vs *out, p *pool) {
	switch k.name() {
	case "weight":
		if n, ok := t.integer(k, k.arg(0)); ok {
			s.number("weight", n, k)
		}
	case "lvs_method", "lb_kind":
		t.forward(k, s)
	case "uthreshold", "lthreshold":
		t.threshold(k, s)
	case "inhibit_on_failure":
		p.written[k] = s // see quiesce
	case "alpha", "virtualhost", "delay_loop", "connect_timeout", "retry", "delay_before_retry":
		// in the virtual server and in each check
	case "smtp_alert":
		if !t.truth(k) && t.mailsServers() {
			t.warn(k, "mail of servers is asked for in global_defs, for all of them")
		} else if t.truth(k) && !t.mailsServers() {
			t.alert(k, vs, t.mail.checker, []string{"server_up", "server_down"})
		}
	case "notify_up", "notify_down":
		t.notifyServer(k, vs)
	default:
		t.unknown(k, serverReasons())
	}
}

// notifyServer writes a notify of the virtual server, once for each command: in
// usher its arguments say which server it is.
func (t *translator) notifyServer(k *directive, vs *out) {
	made := &out{}
	t.notify(k, made)
	if len(made.items) == 0 {
		return
	}
	for _, i := range vs.items {
		if i.block == "notify" && sameBody(i.body, made.items[0].body) {
			return
		}
	}
	t.warn(k, "it becomes a command of the virtual server, run for each of its servers, with the server in its arguments")
	// Before the server that is being written, which is the last item.
	vs.items = slices.Insert(vs.items, len(vs.items)-1, made.items...)
}
