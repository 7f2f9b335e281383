package cli

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"usher/director/realserver"
)

func (a *app) realServer() *cobra.Command {
	var from sources
	var undo, check, asJSON bool
	var state string
	var own []string
	cmd := &cobra.Command{
		Use:   "real-server -c FILE|DIR",
		Short: "Prepare this machine as a real server for dr or tun",
		Long: `Run on a real server, with the directors' configuration: for every dr or tun
service that names one of this machine's addresses, the VIP is put on lo (tun: on
the tunnel device, which is made), and arp_ignore, arp_announce and rp_filter are
set, so that the machine takes the VIP's packets and does not answer for it on the
network. What was there before is remembered in the state folder for --undo.
Running it again changes nothing more; with another configuration it also takes
back what only the earlier one asked for.

Exit status: 0 done or nothing missing, 1 failed, or --check found something
missing or left over, 2 the command line makes no sense.`,
		Example: `  usher real-server -c lb.hcl --check
  usher real-server -c lb.hcl
  usher real-server --undo`,
		Args: cobra.NoArgs,
		RunE: do(func(_ *cobra.Command, _ []string) error {
			if undo && check {
				return &usageError{errors.New("--undo and --check exclude each other")}
			}
			items, err := a.prepare(&from, state, own, undo, check)
			if asJSON {
				if items == nil {
					items = []realserver.Item{}
				}
				err = errors.Join(err, printJSON(a.Stdout, items))
			} else if err == nil || len(items) > 0 {
				err = errors.Join(err, a.showItems(items))
			}
			if err == nil && check {
				for _, i := range items {
					if !i.Done {
						return status(exitFailed)
					}
				}
			}
			return err
		}),
	}
	from.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&undo, "undo", false, "take back what an earlier run did; needs no configuration")
	f.BoolVar(&check, "check", false, "say what is missing or left over and change nothing")
	f.BoolVar(&asJSON, "json", false, "print the steps as JSON")
	f.StringVar(&state, "state", "/var/lib/usher", "folder that remembers what to undo")
	f.StringArrayVar(&own, "address", nil, "take this for an address of this machine, instead of asking its devices")
	return cmd
}

func (a *app) showItems(items []realserver.Item) error {
	if len(items) == 0 {
		_, err := fmt.Fprintln(a.Stdout, "nothing to do")
		return err
	}
	for _, i := range items {
		if _, err := fmt.Fprintln(a.Stdout, i); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) prepare(from *sources, state string, own []string, undo, check bool) ([]realserver.Item, error) {
	if undo {
		return realserver.Undo(state)
	}
	c, err := a.load(from)
	if err != nil {
		return nil, err
	}
	var local []netip.Addr
	for _, text := range own {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--address: %w", err)}
		}
		local = append(local, ip)
	}
	if len(local) == 0 {
		if local, err = realserver.LocalAddresses(); err != nil {
			return nil, err
		}
	}
	needs := realserver.Needs(c.Pools(), local)
	if len(needs) == 0 {
		return nil, fmt.Errorf("no dr or tun service of the configuration has a real server among this machine's addresses, %v; if an earlier one had, --undo takes back what was done for it", local)
	}
	if check {
		return realserver.Check(state, needs)
	}
	return realserver.Prepare(state, needs)
}
