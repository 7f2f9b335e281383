package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"usher/cmd/usher/internal/api"
	"usher/cmd/usher/internal/events"
)

func (a *app) events() *cobra.Command {
	var follow, asJSON bool
	var limit int
	var instance, virtual, real string
	cmd := &cobra.Command{
		Use:   "events",
		Short: "What happened, when and why, newest last",
		Long: `The events that the daemon remembers: the latest of everything, and the last 20
changes of each real server. With -f it goes on with those to come.`,
		Example: `  usher events -f
  usher events --virtual-server web --real-server 10.1.2.3:80
  usher events --json | jq -r 'select(.severity == "error") | .reason'`,
		Args: cobra.NoArgs,
		RunE: do(func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return &usageError{fmt.Errorf("--lines %d is no number of events", limit)}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			q := url.Values{}
			for key, value := range map[string]string{"instance": instance, "virtual_server": virtual, "real_server": real} {
				if value != "" {
					q.Set(key, value)
				}
			}
			if limit > 0 {
				q.Set("limit", strconv.Itoa(limit))
			}
			show := func(e events.Event) error { return a.showEvent(e, asJSON) }
			if err := a.known(cmd.Context(), c, instance, virtual); err != nil {
				return err
			}
			if follow {
				return followEvents(cmd.Context(), c, q, show)
			}
			var list api.EventList
			if err := c.Get(cmd.Context(), "/api/v1/events?"+q.Encode(), &list); err != nil {
				return err
			}
			for _, e := range list.Events {
				if err := show(e); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	f := cmd.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "go on with events as they happen, until interrupted")
	f.BoolVar(&asJSON, "json", false, "print one JSON object a line")
	f.IntVarP(&limit, "lines", "n", 0, "only the newest `N`")
	f.StringVar(&instance, "instance", "", "only those of this instance")
	f.StringVar(&virtual, "virtual-server", "", "only those of this virtual server")
	f.StringVar(&real, "real-server", "", "only those of this real server (address:port)")
	return a.steered(cmd)
}

// known makes a name that nothing has an error, where it would else be an empty list.
// What was there before is known by its events.
func (a *app) known(ctx context.Context, c *api.Client, instance, virtual string) error {
	if instance == "" && virtual == "" {
		return nil
	}
	var s api.Status
	if err := c.Get(ctx, "/api/v1/status", &s); err != nil {
		return err
	}
	var list api.EventList
	if err := c.Get(ctx, "/api/v1/events", &list); err != nil {
		return err
	}
	instances, virtuals := map[string]bool{"": true}, map[string]bool{"": true}
	for _, i := range s.Instances {
		instances[i.Name] = true
	}
	for _, v := range s.VirtualServers {
		virtuals[v.Name] = true
	}
	for _, e := range list.Events {
		instances[e.Instance], virtuals[e.VirtualServer] = true, true
	}
	switch {
	case !instances[instance]:
		return fmt.Errorf("no instance is called %q, and no event tells of one; usher status shows all", instance)
	case !virtuals[virtual]:
		return fmt.Errorf("no virtual server is called %q, and no event tells of one; usher status shows all", virtual)
	}
	return nil
}

func (a *app) showEvent(e events.Event, asJSON bool) error {
	if asJSON {
		return printLine(a.Stdout, e)
	}
	text := e.Text()
	switch e.Severity {
	case events.Warning:
		text = a.style.Warn(text)
	case events.Error:
		text = a.style.Bad(text)
	}
	_, err := fmt.Fprintf(a.Stdout, "%s  %s\n", a.style.Dim(e.Time.Local().Format("2006-01-02 15:04:05.000")), text)
	return err
}

// retry is the pause before a daemon that went away is asked again.
const retry = time.Second

// followEvents goes on where it was when the daemon has been started anew, or the
// connection was lost.
func followEvents(ctx context.Context, c *api.Client, q url.Values, show func(events.Event) error) error {
	connected := false
	for {
		err := c.Follow(ctx, "/api/v1/events?"+q.Encode(), func(name string, data []byte) error {
			connected = true
			var e events.Event
			if name != "event" {
				return nil
			}
			if err := json.Unmarshal(data, &e); err != nil {
				return err
			}
			q.Set("since", strconv.FormatUint(e.Seq, 10))
			q.Del("limit")
			return show(e)
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case !connected && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		}
		pause := time.NewTimer(retry)
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
	}
}
