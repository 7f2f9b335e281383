package notify

import "usher/healthcheck"

// conceal keeps secrets out of an error's words: who is notified may send back what
// he was told.
func conceal(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	return &concealed{err, healthcheck.Conceal(err.Error(), secrets...)}
}

type concealed struct {
	error
	text string
}

func (c *concealed) Error() string { return c.text }
func (c *concealed) Unwrap() error { return c.error }
