package keepalived

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// instanceState is what must be known of the whole instance before its parts are
// translated.
type instanceState struct {
	d       *directive
	version int
	bare    bool // advertises no address
	six     bool // advertises IPv6 addresses, the family of the first
	mixed   bool // has addresses of both families in virtual_ipaddress
	iface   string
	master  bool
	vrid    int
}

func (t *translator) instanceState(d *directive) instanceState {
	s := instanceState{d: d, version: 2}
	if c := t.setting(d, "version"); c != nil {
		if n, err := strconv.Atoi(c.arg(0)); err == nil {
			s.version = n
		}
	}
	var known []netip.Addr
	s.bare = true
	for _, c := range d.body {
		switch c.name() {
		case "virtual_ipaddress":
			s.bare = s.bare && len(c.args()) == 0 && len(c.body) == 0
			if p, err := prefix(c.arg(0)); err == nil {
				known = append(known, p.Addr())
			}
			for _, a := range c.body {
				if p, err := prefix(a.name()); err == nil && p.Addr().IsValid() {
					known = append(known, p.Addr())
				}
			}
		case "native_ipv6":
			s.version = 3
		case "interface":
			s.iface = c.arg(0)
		case "state":
			s.master = c.arg(0) == "MASTER"
		case "virtual_router_id":
			s.vrid, _ = strconv.Atoi(c.arg(0))
		}
	}
	// keepalived advertises the family of the first address, and passes over the others.
	if len(known) > 0 {
		s.six, s.mixed = known[0].Is6(), slices.ContainsFunc(known, func(a netip.Addr) bool { return a.Is6() != known[0].Is6() })
	}
	if s.six {
		s.version = 3
	}
	return s
}

// setting is a directive of the instance, or what global_defs has for all.
func (t *translator) setting(d *directive, name string) *directive {
	if c := find(d, name); c != nil {
		return c
	}
	return t.defaults.values[name]
}

// instance translates vrrp_instance, in the order of its directives.
func (t *translator) instance(d *directive, o *out) {
	s := t.instanceState(d)
	b := o.open("vrrp_instance", d, d.arg(0))
	if s.version != 3 {
		// keepalived speaks version 2 unless told otherwise, usher version 3.
		b.number("version", s.version, t.orElse(t.setting(d, "version"), d))
	}
	t.each(d, b, func(c *directive) { t.instancePart(c, b, s) })
	if s.master && find(d, "priority") == nil {
		b.number("priority", 255, find(d, "state"))
	}
	if c := find(d, "lvs_sync_daemon_interface"); c != nil {
		t.oldSync(c, o, s)
	}
	if s.bare {
		t.bare(d, b, s)
	}
	t.debounce(s.iface, b, "interface_")
	t.garp(d, b)
	t.strict(d, b)
	t.fromDefaults(d, b)
	if g := t.memberOf[d.arg(0)]; g != nil {
		for _, c := range g.body {
			if strings.HasPrefix(c.name(), "track_") {
				t.tracks(c, b, ofGroup)
			}
		}
	}
}

func (t *translator) orElse(c, d *directive) *directive {
	if c != nil {
		return c
	}
	return d
}

func (t *translator) instancePart(c *directive, b *out, s instanceState) {
	number := func(key string) {
		if n, ok := t.integer(c, c.arg(0)); ok {
			b.number(key, n, c)
		}
	}
	switch c.name() {
	case "vrf":
		if s.iface != "" {
			t.warn(c, "the interface is in its VRF already")
			return
		}
		b.text("vrf", c.arg(0), c)
	case "lvs_sync_daemon_interface":
		// in global, beside the instance
	case "no_virtual_ipaddress":
		if !s.bare {
			t.warn(c, "there is a virtual_ipaddress")
		}
	case "state", "interface", "native_ipv6", "preempt", "accept", "smtp_alert", "nopreempt", "no_preempt", "preempt_delay", "no_accept", "dont_track_primary":
		t.instanceFlag(c, b, s)
	case "version":
		if s.version == 3 && s.six && c.arg(0) == "2" {
			t.warn(c, "IPv6 is version 3 always")
		}
	case "virtual_router_id", "priority", "down_timer_adverts":
		number(c.name())
	case "advert_int":
		t.advertInterval(c, b, s)
	case "startup_delay":
		if v, ok := t.seconds(c, c.arg(0)); ok {
			b.text("startup_delay", v, c)
		}
	case "virtual_ipaddress", "virtual_ipaddress_excluded":
		t.addresses(c, b, s)
	case "virtual_routes":
		t.each(c, b, func(r *directive) { t.route(r, b) })
	case "virtual_rules":
		t.each(c, b, func(r *directive) { t.rule(r, b) })
	case "authentication":
		t.authentication(c, b, s)
	case "auth_hmac":
		t.hmac(c, b, s)
	case "unicast_src_ip", "mcast_src_ip":
		t.source(c, b, s)
	case "unicast_peer":
		t.peers(c, b)
	case "unicast_ttl":
		if find(s.d, "unicast_peer") == nil {
			t.warn(c, "there is no unicast_peer: multicast has a TTL of 255 always")
		} else if n, ok := t.integer(c, c.arg(0)); ok {
			b.shared("unicast", c).number("ttl", n, c)
		}
	case "mcast_dst_ip":
		t.group(c, b)
	case "v3_checksum_as_v2":
		if s.version != 3 {
			t.warn(c, "it says something of version 3 only")
		} else if t.truth(c) {
			b.text("checksum", "rfc9568", c)
		}
	case "use_vmac":
		b.flag("virtual_mac", true, c)
		if len(c.args()) > 0 {
			t.warn(c, "usher names its macvlan itself and takes the MAC address of RFC 9568")
		}
	case "garp_master_delay", "garp_master_repeat", "garp_master_refresh", "garp_interval", "gna_interval", "min_garp", "mcast_group4", "mcast_group6":
		// all together at the end
	case "track_interface", "track_script", "track_file", "track_process", "track_bfd":
		t.tracks(c, b, t.tracker(s.d))
	case "notify", "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify_master_rx_lower_pri":
		t.notify(c, b)
	default:
		t.unknown(c, instanceReasons())
	}
}

// instanceFlag translates what is said in one word.
func (t *translator) instanceFlag(c *directive, b *out, s instanceState) {
	switch c.name() {
	case "state":
		if word := c.arg(0); word != "MASTER" && word != "BACKUP" {
			t.warn(c, "a state is MASTER or BACKUP")
		}
	case "interface":
		b.text("interface", c.arg(0), c)
	case "nopreempt", "no_preempt":
		if s.master {
			t.warn(c, "keepalived drops it where the state is MASTER, and so does the import")
			return
		}
		b.flag("preempt", false, c)
	case "preempt_delay":
		if s.master || find(s.d, "nopreempt") != nil {
			t.warn(c, "keepalived drops it where the state is MASTER or with nopreempt, and so does the import")
			return
		}
		if v, ok := t.seconds(c, c.arg(0)); ok {
			b.text("preempt_delay", v, c)
		}
	case "no_accept":
		b.flag("accept", false, c)
	case "dont_track_primary":
		b.flag("dont_track_primary", true, c)
	case "smtp_alert":
		t.alert(c, b, t.mail.vrrp, []string{"active", "backup", "fault", "stop"})
	}
}

// bare translates an instance without virtual_ipaddress: keepalived runs it in version
// 2, and later than 2.2.7 in version 3 with no_virtual_ipaddress.
func (t *translator) bare(d *directive, b *out, s instanceState) {
	allowed := find(d, "no_virtual_ipaddress")
	b.flag("no_virtual_addresses", true, t.orElse(allowed, d))
	if allowed == nil && s.version == 3 {
		t.warn(d, "it has no virtual_ipaddress: keepalived refuses that in version 3; usher sends advertisements without an address")
	}
}

// advertInterval keeps what keepalived really sends: it rounds to what the version
// can carry.
func (t *translator) advertInterval(c *directive, b *out, s instanceState) {
	v, err := strconv.ParseFloat(c.arg(0), 64)
	if err != nil || v <= 0 || v > 255 {
		t.warn(c, strconv.Quote(c.arg(0))+" is not an interval in seconds")
		return
	}
	d := time.Duration(v*1e6+0.5) * time.Microsecond
	step := 10 * time.Millisecond
	if s.version == 2 {
		step = time.Second
	}
	rounded := max(d.Round(step), step)
	if rounded != d {
		t.warn(c, fmt.Sprintf("version %d cannot carry it; %s is written, to which keepalived rounds it", s.version, duration(rounded)))
	}
	b.text("advert_interval", duration(rounded), c)
}

// source puts the address where its family and the way of sending want it.
func (t *translator) source(c *directive, b *out, s instanceState) {
	a, err := netip.ParseAddr(c.arg(0))
	if err != nil {
		t.warn(c, strconv.Quote(c.arg(0))+" is not an address")
		return
	}
	if find(s.d, "unicast_peer") != nil {
		b.shared("unicast", c).text("source", a.String(), c)
	} else if a.Is6() {
		b.text("source6", a.String(), c)
	} else {
		b.text("source4", a.String(), c)
	}
}

func (t *translator) group(c *directive, b *out) {
	a, err := netip.ParseAddr(c.arg(0))
	switch {
	case err != nil:
		t.warn(c, strconv.Quote(c.arg(0))+" is not an address")
	case a.Is6():
		b.text("multicast_group6", a.String(), c)
	default:
		b.text("multicast_group4", a.String(), c)
	}
}

// peers translates unicast_peer.
func (t *translator) peers(c *directive, b *out) {
	u := b.shared("unicast", c)
	t.each(c, u, func(p *directive) {
		a, err := netip.ParseAddr(p.name())
		if err != nil {
			t.warn(p, "not an address")
			return
		}
		if len(p.args()) == 0 {
			u.add("peers", a.String(), p)
			return
		}
		q := u.open("peer", p, a.String())
		for i := 0; i < len(p.args()); i += 2 {
			if n, ok := t.integer(p, p.arg(i+1)); ok && (p.arg(i) == "min_ttl" || p.arg(i) == "max_ttl") {
				q.number(p.arg(i), n, p)
			} else if ok {
				t.warn(p, p.arg(i)+" is no option that usher knows")
			}
		}
	})
}

// authentication is PASS of version 2; keepalived drops it in version 3.
func (t *translator) authentication(c *directive, b *out, s instanceState) {
	kind, pass := find(c, "auth_type"), find(c, "auth_pass")
	switch {
	case find(s.d, "auth_hmac") != nil:
		t.warn(c, "there is auth_hmac, beside which keepalived drops it, too")
	case s.version != 2:
		t.warn(c, "version 3 has no authentication; keepalived drops it, too")
	case t.isStrict(s.d):
		t.warn(c, "left out: with vrrp_strict or strict_mode keepalived drops it and sends without, and peers that differ in this do not hear each other")
	case kind == nil || kind.arg(0) != "PASS":
		t.warn(c, "usher has no authentication but PASS: peers with another will not hear each other")
	case pass == nil || pass.arg(0) == "":
		t.warn(c, "there is no auth_pass")
	default:
		a := b.open("authentication", c)
		a.text("type", "pass", kind)
		t.each(c, a, func(*directive) {})
		password := pass.arg(0)
		if len(password) > 8 {
			t.warn(pass, "keepalived sends the first 8 bytes of it alone; these are written")
			password = password[:8]
		}
		a.text("password", password, pass)
	}
}
