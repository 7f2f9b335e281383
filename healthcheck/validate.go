package healthcheck

import (
	"fmt"
	"slices"
	"time"
)

// FieldError is one mistake in a check's configuration.
type FieldError struct {
	Key     string // the key in the health_check block, as "expect_status[1]"; "" for the block
	Problem string // what is wrong
	Hint    string // what to do about it
}

// Error gives it in one line.
func (e *FieldError) Error() string {
	text := e.Problem
	if e.Key != "" {
		text = e.Key + ": " + text
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Field is the key that the mistake is at.
func (e *FieldError) Field() string { return e.Key }

// mistakes gathers them.
type mistakes struct{ list []error }

// when notes a mistake if there is one. problem is a format for args.
func (m *mistakes) when(wrong bool, key, mend, problem string, args ...any) {
	if wrong {
		m.list = append(m.list, &FieldError{Key: key, Problem: fmt.Sprintf(problem, args...), Hint: mend})
	}
}

// Validate finds the mistakes in a target: its own, and its checks'.
func (t *Target) Validate() []error {
	var v mistakes
	checks := 0
	for i := range t.Checks {
		if t.Checks[i].Type != TypePassive {
			checks++
		}
	}
	v.when(t.Need < 0 || t.Need > checks, "checks_needed", "give a number up to that of the checks, or 0 for all",
		"%d of %d checks can never be up", t.Need, checks)
	if t.FlapThreshold != 0 {
		v.when(t.FlapThreshold < 2 || t.FlapThreshold > flapMost, "flap_threshold", "give 2 to 100, or 0 for never",
			"%d is no number of changes to damp at", t.FlapThreshold)
		v.when(t.FlapWindow <= 0, "flap_window", `give one, as "5m"`, "%s is not a positive duration", t.FlapWindow)
		v.when(t.FlapHold <= 0, "flap_hold", `give one, as "1m"`, "%s is not a positive duration", t.FlapHold)
	}
	for i := range t.Checks {
		c := &t.Checks[i]
		if slices.ContainsFunc(t.Checks[:i], func(o Check) bool { return o.Type == c.Type && o.Name == c.Name }) {
			v.when(true, "name", "give each its own name", "there are two checks of type %s and name %q", c.Type, c.Name)
		}
		v.list = append(v.list, c.Validate()...)
	}
	return v.list
}

// flapMost is the greatest number of changes to damp at.
const flapMost = 100

// The bounds of a check's times.
const (
	intervalLeast = 10 * time.Millisecond
	intervalMost  = 24 * time.Hour
	timeoutLeast  = time.Millisecond
	timeoutMost   = time.Hour
)

// Validate finds every mistake in a check. Each is a *FieldError.
func (c *Check) Validate() []error {
	var v mistakes
	if c.Type != TypePassive && !c.Type.Continuous() {
		c.validateTimes(&v)
	}
	c.validateWay(&v)
	c.validateType(&v)
	return v.list
}

func (c *Check) validateTimes(v *mistakes) {
	v.when(c.Interval < intervalLeast || c.Interval > intervalMost, "interval", `give one, as "2s"`,
		"%s is not between %s and %s", c.Interval, intervalLeast, intervalMost)
	v.when(c.FastInterval != 0 && (c.FastInterval < intervalLeast || c.FastInterval > c.Interval), "fast_interval", "make it shorter than interval, or leave it out",
		"%s is not between %s and the interval of %s", c.FastInterval, intervalLeast, c.Interval)
	v.when(c.Timeout < timeoutLeast || c.Timeout > timeoutMost, "timeout", `give one, as "1s"`,
		"%s is not between %s and %s", c.Timeout, timeoutLeast, timeoutMost)
	v.when(c.Jitter < 0 || c.Jitter > intervalMost, "jitter", `give one, as "200ms", or leave it out`, "%s is no jitter", c.Jitter)
	v.when(c.Rise < 1, "rise", "give at least 1", "%d successes cannot bring a server up", c.Rise)
	v.when(c.Fall < 1, "fall", "give at least 1", "%d failures cannot take a server down", c.Fall)
	v.when(c.Slow < 0 || c.Slow > c.Timeout, "slow", "make it shorter than timeout, or leave it out",
		"%s is not between 0 and the timeout of %s", c.Slow, c.Timeout)
	v.when(c.SlowWeight < 0 || c.SlowWeight > 100, "slow_weight", "give 0 to 100", "%d is not a percentage", c.SlowWeight)
	v.when(c.Slow > 0 && c.Type == TypeUDP && (c.UDP == nil || !c.UDP.RequireReply), "slow", "set require_reply, or leave slow out",
		"a udp check without require_reply waits its timeout out, and is always slow")
}

// ValidateAddresses finds the mistakes of a target without source addresses and
// true-path checks that Validate would find beside those of another one that
// differs from it in its checks' addresses alone.
func (t *Target) ValidateAddresses() []error {
	var v mistakes
	for i := range t.Checks {
		switch c := &t.Checks[i]; c.Type {
		case TypeExec, TypeFile, TypePassive:
		default:
			c.validateAddress(&v)
		}
	}
	return v.list
}

// validateAddress looks at where a probe goes.
func (c *Check) validateAddress(v *mistakes) {
	addr := c.Address.Addr()
	v.when(!addr.IsValid(), "address", "give the server's address", "there is no address to probe")
	v.when(c.Address.Port() == 0 && c.Type != TypePing && c.Type != TypeBFD, "port", "give the port of the probe", "there is no port to probe")
	if addr.IsMulticast() || addr.IsUnspecified() {
		v.when(true, "address", "give a server's own address", "%s cannot be probed", addr)
	}
}

// validateWay looks at the way of the probe.
func (c *Check) validateWay(v *mistakes) {
	switch c.Type {
	case TypeExec, TypeFile, TypePassive:
		return
	}
	c.validateAddress(v)
	if c.Bind.IsValid() && c.Address.Addr().IsValid() && !c.Bind.Addr().IsUnspecified() {
		v.when(c.Bind.Addr().Unmap().Is4() != c.Address.Addr().Unmap().Is4(), "bind_address", "give one of the same family",
			"%s cannot be the source of a probe to %s", c.Bind.Addr(), c.Address.Addr())
	}
	v.when(len(c.Interface) > 15, "interface", "give the name of an interface", "%q is longer than a name of an interface can be", c.Interface)
	if c.Via == nil {
		return
	}
	v.when(c.Mark != 0, "mark", "leave mark out", `via = "service" has a mark of its own`)
	v.when(c.Via.Mark == 0 || !c.Via.Service.IsValid(), "via", "give the virtual server an address and a port", "there is no service to go through")
	switch c.Type {
	case TypePing, TypeBFD:
		v.when(true, "via", "use a check that speaks the service's protocol", "a %s check cannot go through a service", c.Type)
	}
}
