package keepalived

// debounce writes how long a change of an interface must last; without a delay for up,
// keepalived takes that for down.
func (t *translator) debounce(name string, b *out, prefix string) {
	c := t.delays[name]
	if c == nil {
		return
	}
	t.used[c] = true
	up := c.arg(1)
	if up == "" {
		up = c.arg(0)
	}
	for _, k := range []struct{ key, text string }{{"down_delay", c.arg(0)}, {"up_delay", up}} {
		if v, ok := t.seconds(c, k.text); ok && v != "0s" {
			b.text(prefix+k.key, v, c)
		}
	}
}
