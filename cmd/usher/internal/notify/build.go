package notify

import (
	"errors"
	"fmt"

	"usher/conf"
)

// builder turns configured alerts into ways out.
type builder struct {
	run    Run
	alerts map[object][]route
	errs   []error
}

// err gives each failure once: those of the global block come with every object.
func (b *builder) err() error {
	told := map[string]bool{}
	var errs []error
	for _, e := range b.errs {
		if !told[e.Error()] {
			told[e.Error()] = true
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// add gives an object its own ways out and those of all. Its commands share one
// lane; so do, for each way, the changes that all objects tell by it.
func (b *builder) add(o object, own, global conf.Alerts) {
	name := fmt.Sprintf("%s %s ", o.kind, o.name)
	b.commands(o, name, own)
	b.commands(o, name, global)
	b.remote(o, name, own)
	b.remote(o, "global ", global)
}

func (b *builder) commands(o object, lane string, a conf.Alerts) {
	for _, c := range a.Notify {
		b.alerts[o] = append(b.alerts[o], route{command{c, b.run}, c.On, lane + "commands"})
	}
}

func (b *builder) remote(o object, lane string, a conf.Alerts) {
	for _, c := range a.Webhooks {
		w, err := newWebhook(c)
		if err != nil {
			b.errs = append(b.errs, fmt.Errorf("%swebhook: %w", lane, err))
			continue
		}
		b.alerts[o] = append(b.alerts[o], route{w, c.On, lane + w.String()})
	}
	for _, c := range a.Emails {
		m, err := newMail(c)
		if err != nil {
			b.errs = append(b.errs, fmt.Errorf("%semail: %w", lane, err))
			continue
		}
		b.alerts[o] = append(b.alerts[o], route{m, c.On, lane + m.String()})
	}
}
