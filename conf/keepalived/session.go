package keepalived

import (
	"strconv"
	"time"
)

// session translates bfd_instance.
func (t *translator) session(d *directive, o *out) {
	b := o.open("bfd", d, d.arg(0))
	t.sessionKeys(d, b, true)
}

// sessionKeys writes a BFD session, here or in a health check.
func (t *translator) sessionKeys(d *directive, b *out, named bool) {
	minTX, minRX, multiplier := "10ms", "10ms", 5 // keepalived's defaults
	millis := func(c *directive, into *string) {
		v, err := strconv.ParseFloat(c.arg(0), 64)
		if err != nil || v < 0 || v > 1e7 {
			t.warn(c, strconv.Quote(c.arg(0))+" is not a number of milliseconds")
			return
		}
		*into = duration(time.Duration(v*1e3+0.5) * time.Microsecond)
	}
	t.each(d, b, func(c *directive) {
		switch c.name() {
		case "neighbor_ip", "neighbour_ip":
			if named {
				b.text("address", c.arg(0), c)
			}
		case "source_ip":
			b.text("source", c.arg(0), c)
		case "min_tx":
			millis(c, &minTX)
		case "min_rx":
			millis(c, &minRX)
		case "multiplier":
			if n, ok := t.integer(c, c.arg(0)); ok {
				multiplier = n
			}
		case "passive":
			b.flag("passive", true, c)
		case "weight", "vrrp", "checker":
			// weight is that of the track, the others say who uses it
		default:
			t.warn(c, "usher's BFD is single hop, with the TTL of RFC 5881, and has no such option")
		}
	})
	b.text("min_tx", minTX, d)
	b.text("min_rx", minRX, d)
	b.number("multiplier", multiplier, d)
}
