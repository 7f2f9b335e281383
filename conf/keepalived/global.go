package keepalived

import (
	"net/netip"
	"slices"
	"strings"
)

// defaults are what global_defs sets for every instance.
type defaults struct {
	values map[string]*directive // by the instance's own name of the directive
	user   string                // of scripts
	strict bool
}

func newDefaults() defaults { return defaults{values: map[string]*directive{}} }

// instanceNames are the global directives that an instance has under another name.
func instanceNames() map[string]string {
	return map[string]string{
		"vrrp_version": "version", "vrrp_garp_master_delay": "garp_master_delay", "vrrp_garp_master_repeat": "garp_master_repeat",
		"vrrp_garp_master_refresh": "garp_master_refresh", "vrrp_garp_interval": "garp_interval", "vrrp_gna_interval": "gna_interval",
		"vrrp_mcast_group4": "mcast_group4", "vrrp_mcast_group6": "mcast_group6", "vrrp_startup_delay": "startup_delay",
		"vrrp_down_timer_adverts": "down_timer_adverts", "vrrp_min_garp": "min_garp",
	}
}

func (s *defaults) read(t *translator, d *directive) {
	for _, c := range d.body {
		if name, ok := instanceNames()[c.name()]; ok {
			s.values[name] = c
		}
		switch c.name() {
		case "script_user":
			s.user = c.arg(0)
			if c.arg(1) != "" {
				t.warn(c, "the group is not carried over: scripts run with the groups of "+s.user)
			}
		case "vrrp_strict":
			s.strict = t.truth(c)
		case "default_interface":
			s.values[c.name()] = c
		}
	}
}

// global translates global_defs.
func (t *translator) global(d *directive, o *out) {
	g := o.shared("global", d)
	t.each(d, g, func(c *directive) {
		if _, ok := instanceNames()[c.name()]; ok {
			return // in every instance
		}
		switch c.name() {
		case "router_id", "lvs_id":
			g.text("router_id", strings.Join(c.args(), " "), c)
		case "notification_email":
			t.each(c, g, func(*directive) {})
			t.alerts(c, g)
		case "notification_email_from", "smtp_server", "smtp_helo_name", "smtp_connect_timeout", "smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker":
			if !t.mail.complete() {
				t.warn(c, "there is no mail without smtp_server and notification_email")
			}
		case "script_user":
			// in every command
		case "lvs_timeouts":
			t.timeouts(c, g)
		case "lvs_sync_daemon":
			t.syncDaemon(c, g)
		case "lvs_flush_on_stop":
			g.text("on_stop", "clean", c)
		case "vrrp_strict":
			if t.defaults.strict {
				t.unknown(c, globalReasons())
			}
		default:
			t.unknown(c, globalReasons())
		}
	})
}

func (t *translator) timeouts(c *directive, g *out) {
	ipvs := g.shared("ipvs", c)
	keys := map[string]string{"tcp": "tcp_timeout", "tcpfin": "tcp_fin_timeout", "udp": "udp_timeout"}
	for i := 0; i+1 < len(c.args()); i += 2 {
		key, ok := keys[c.arg(i)]
		if !ok {
			t.warn(c, c.arg(i)+" is no timeout that usher knows")
			continue
		}
		if s, ok := t.seconds(c, c.arg(i+1)); ok && s != "0s" {
			ipvs.text(key, s, c)
		}
	}
}

// syncDaemon translates lvs_sync_daemon IF [[inst] INSTANCE] [id N] [maxlen N]
// [port N] [ttl N] [group A].
func (t *translator) syncDaemon(c *directive, g *out) {
	args := slices.Clone(c.args())
	if len(args) == 0 {
		t.warn(c, "no interface is given")
		return
	}
	name := args[0]
	args = args[1:]
	instance := ""
	if len(args) > 0 && (args[0] == "inst" || args[0] == "instance") {
		args = args[1:]
	}
	if len(args) > 0 && t.instances[args[0]] != nil {
		instance, args = args[0], args[1:]
	}
	if instance == "" {
		t.warn(c, "usher's sync daemon follows the state of an instance; none is named")
		return
	}
	s := g.shared("ipvs", c).open("sync", c)
	s.text("interface", name, c)
	s.text("instance", instance, c)
	id := find(t.instances[instance], "virtual_router_id")
	keys := map[string]string{"id": "id", "maxlen": "max_length", "port": "port", "ttl": "ttl"}
	given := false
	for len(args) > 1 {
		word, value := args[0], args[1]
		args = args[2:]
		if key, ok := keys[word]; ok {
			if n, ok := t.integer(c, value); ok {
				s.number(key, n, c)
				given = given || word == "id"
			}
			continue
		}
		if word != "group" {
			t.warn(c, word+" is no option that usher knows")
			continue
		}
		if a, err := netip.ParseAddr(value); err == nil {
			s.text("group", a.String(), c)
		} else {
			t.warn(c, value+" is not an address")
		}
	}
	if len(args) > 0 {
		t.warn(c, args[0]+" is no option that usher knows")
	}
	if !given && id != nil { // keepalived's default is the VRID
		if n, ok := t.integer(id, id.arg(0)); ok {
			s.number("id", n, c)
		}
	}
}

// oldSync translates lvs_sync_daemon_interface IF, the name that lvs_sync_daemon had in
// an instance before keepalived 1.3.
func (t *translator) oldSync(c *directive, o *out, s instanceState) {
	switch {
	case c.arg(0) == "":
		t.warn(c, "no interface is given")
	case t.sync != nil:
		t.warn(c, "there is another sync daemon already, and the kernel has one")
	default:
		t.sync = c
		b := o.shared("global", c).shared("ipvs", c).open("sync", c)
		b.text("interface", c.arg(0), c)
		b.text("instance", s.d.arg(0), c)
		b.number("id", s.vrid, c)
	}
}

// find is a directive of a block, the last one of its name.
func find(d *directive, name string) *directive {
	if d == nil {
		return nil
	}
	for _, c := range slices.Backward(d.body) {
		if c.name() == name {
			return c
		}
	}
	return nil
}

// globalRest adds what has no directive of its own: nothing where the file says
// all there is to say.
func (t *translator) globalRest(o *out) {
	for n, i := range o.items {
		if i.block == "global" && len(i.body.items) == 0 {
			o.items = slices.Delete(o.items, n, n+1)
			return
		}
	}
}
