package healthcheck

import "fmt"

// FieldError is one mistake in a check's configuration.
type FieldError struct {
	Key     string // the key in the health_check block, as "expect_status[1]"; "" for the block
	Problem string // what is wrong
	Mend    string // what to do about it
}

// Error gives it in one line.
func (e *FieldError) Error() string {
	switch {
	case e.Key == "":
		return fmt.Sprintf("%s; %s", e.Problem, e.Mend)
	case e.Mend == "":
		return fmt.Sprintf("%s: %s", e.Key, e.Problem)
	}
	return fmt.Sprintf("%s: %s; %s", e.Key, e.Problem, e.Mend)
}

// Field is the key that the mistake is at.
func (e *FieldError) Field() string { return e.Key }

// Validate finds the mistakes in a target: its own, and its checks'.
func (t *Target) Validate() []error {
	var v mistakes
	v.when(t.Need < 0 || t.Need > len(t.Checks), "need", fmt.Sprintf("%d of %d checks cannot be up", t.Need, len(t.Checks)),
		"give a number from 1 to the number of checks, or leave it out for all")
	if t.FlapThreshold != 0 {
		v.when(t.FlapThreshold < 2 || t.FlapThreshold > 100, "flap_threshold", fmt.Sprintf("%d is not a number of changes that makes sense", t.FlapThreshold),
			"give 2 to 100, or 0 to turn damping off")
		v.when(t.FlapWindow <= 0, "flap_window", "is not a positive duration", `give one, as "5m"`)
		v.when(t.FlapHold <= 0, "flap_hold", "is not a positive duration", `give one, as "1m"`)
	}
	for i := range t.Checks {
		v.list = append(v.list, t.Checks[i].Validate()...)
	}
	return v.list
}

// Validate finds every mistake in a check. Each is a *FieldError.
func (c *Check) Validate() []error {
	var v mistakes
	v.when(c.Type != TypePassive && !c.Type.Continuous() && c.Interval <= 0, "interval", "is not a positive duration", `give one, as "2s"`)
	v.when(c.Type != TypePassive && !c.Type.Continuous() && c.Timeout <= 0, "timeout", "is not a positive duration", `give one, as "1s"`)
	return v.list
}

type mistakes struct{ list []error }

func (m *mistakes) when(wrong bool, key, problem, mend string) {
	if wrong {
		m.list = append(m.list, &FieldError{key, problem, mend})
	}
}
