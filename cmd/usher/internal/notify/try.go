package notify

import (
	"context"
	"fmt"
	"time"

	"usher/conf"
)

// Trial is what came of a test by one way out.
type Trial struct {
	Of  string `json:"of"`  // "global", or what it is configured for: "instance web"
	Way string `json:"way"` // as in the log, without what may be secret
	Err error  `json:"-"`
}

// Try sends a test by each way out of c, one attempt each, in configured order; with name
// only by those of the instance, group or virtual server of that name, or the global ones
// for "global". each is called as the outcomes come; the error says that there is nothing
// to try.
func Try(ctx context.Context, c *conf.Config, run Run, name string, each func(Trial)) error {
	var names []string
	tried := 0
	try := func(kind Kind, of string, a conf.Alerts) {
		if len(a.Notify)+len(a.Webhooks)+len(a.Emails) == 0 {
			return
		}
		names = append(names, of)
		if name != "" && name != of {
			return
		}
		test := Change{Kind: kind, Name: of, State: "test", Reason: "a test of the notifications, asked for by usher notify --test", Time: time.Now(), RouterID: c.Global.RouterID}
		title := test.subject()
		if of == "global" {
			title = of
		}
		tell := func(way fmt.Stringer, err error) {
			tried++
			each(Trial{title, way.String(), err})
		}
		for _, n := range a.Notify {
			w := command{n, run}
			tell(w, w.deliver(ctx, test))
		}
		for _, h := range a.Webhooks {
			w, err := newWebhook(h)
			if err != nil {
				tell(&webhook{Webhook: h}, err)
				continue
			}
			tell(w, w.deliver(ctx, test))
		}
		for _, e := range a.Emails {
			w, err := newMail(e)
			if err != nil {
				tell(&mail{Email: e}, err)
				continue
			}
			tell(w, w.deliver(ctx, test))
		}
	}
	try(Instance, "global", c.Global.Alerts)
	for _, i := range c.Instances {
		try(Instance, i.Name, i.Alerts)
	}
	for _, g := range c.Groups {
		try(Group, g.Name, g.Alerts)
	}
	for _, v := range c.VirtualServers {
		try(VirtualServer, v.Name, v.Alerts)
	}
	switch {
	case tried > 0:
		return nil
	case len(names) == 0:
		return fmt.Errorf("the configuration notifies nobody: it has no notify, webhook or email")
	}
	return fmt.Errorf("nothing called %q notifies anybody; these do: %v", name, names)
}
