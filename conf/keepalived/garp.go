package keepalived

import "time"

// garp writes how addresses are announced. keepalived refreshes nothing unless
// asked to, usher does.
func (t *translator) garp(d *directive, b *out) {
	g := b.open("garp", d)
	setting := func(name string) (string, *directive) {
		if c := t.setting(d, name); c != nil {
			return c.arg(0), c
		}
		return "", nil
	}
	repeat, delay, refresh := "", "", "0"
	if c := t.setting(d, "min_garp"); c != nil && t.truth(c) {
		repeat, delay = "1", "0"
	}
	for _, k := range []struct{ key, name, value string }{
		{"repeat", "garp_master_repeat", repeat}, {"delay", "garp_master_delay", delay}, {"refresh", "garp_master_refresh", refresh},
	} {
		from := d
		if v, c := setting(k.name); c != nil {
			k.value, from = v, c
		}
		switch {
		case k.value == "":
		case k.key == "repeat":
			if n, ok := t.integer(from, k.value); ok {
				g.number("repeat", max(n, 1), from) // keepalived takes 0 for 1
			}
		default:
			if v, ok := t.seconds(from, k.value); ok {
				g.text(k.key, v, from)
			}
		}
	}
	var pace time.Duration
	for _, name := range []string{"garp_interval", "gna_interval"} {
		text, c := setting(name)
		if c == nil {
			continue
		}
		v, ok := t.seconds(c, text)
		d, err := time.ParseDuration(v)
		switch {
		case !ok || err != nil || d == pace:
		case pace != 0:
			t.warn(c, "usher has one pace for both families: the longer of "+duration(pace)+" and "+duration(d)+" is written")
			fallthrough
		default:
			pace = max(pace, d)
			g.text("pace", duration(pace), c)
		}
	}
}

// strict is what vrrp_strict hides: packets to the VIP are dropped but on its owner.
func (t *translator) strict(d *directive, b *out) {
	own := find(d, "strict_mode")
	if priority := find(d, "priority"); !t.isStrict(d) || find(d, "accept") != nil || find(d, "no_accept") != nil || priority != nil && priority.arg(0) == "255" {
		return
	}
	b.flag("accept", false, t.orElse(own, d))
}

// isStrict tells whether vrrp_strict, or the instance's own strict_mode, holds for it.
func (t *translator) isStrict(d *directive) bool {
	if own := find(d, "strict_mode"); own != nil {
		return t.truth(own)
	}
	return t.defaults.strict
}

// fromDefaults writes what global_defs sets for all instances and this one does
// not itself.
func (t *translator) fromDefaults(d *directive, b *out) {
	s := t.instanceState(d)
	for _, name := range []string{"startup_delay", "down_timer_adverts"} {
		if c := t.defaults.values[name]; c != nil && find(d, name) == nil {
			t.instancePart(c.as(name), b, s)
		}
	}
	group := "mcast_group4"
	if s.six {
		group = "mcast_group6"
	}
	if c := t.defaults.values[group]; c != nil && find(d, "mcast_dst_ip") == nil && find(d, "unicast_peer") == nil {
		t.group(c, b)
	}
}

// as is the directive under another name.
func (d *directive) as(name string) *directive {
	c := *d
	c.words = append([]string{name}, d.args()...)
	return &c
}
