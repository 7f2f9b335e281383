package cli

import (
	"bytes"
	_ "embed" // the starter
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"usher/conf"
)

//go:embed starter.hcl.tmpl
var starter string

// place is an interface that a first configuration can stand on.
type place struct {
	Interface string
	Prefix    netip.Prefix // of its first IPv4 address
}

func (a *app) initial() *cobra.Command {
	var dev, vip string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented starter configuration for this machine",
		Long: `Print a commented configuration that suits this machine's interfaces, to begin
with: one instance with one address, one virtual server with two real servers. It
is valid as it is; what to change is marked.`,
		Example: "  usher init > usher.hcl\n  usher init --interface eth1 --vip 192.0.2.200",
		Args:    cobra.NoArgs,
		RunE: do(func(_ *cobra.Command, _ []string) error {
			places, err := places()
			if err != nil {
				return err
			}
			text, err := starterFor(places, dev, vip)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.Stdout, map[string]string{"hcl": string(text)})
			}
			_, err = a.Stdout.Write(text)
			return err
		}),
	}
	cmd.Flags().StringVar(&dev, "interface", "", "the interface towards the clients; the first with an IPv4 address where not given")
	cmd.Flags().StringVar(&vip, "vip", "", "the virtual address; one of the interface's network where not given")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as the text in a JSON document")
	return cmd
}

// places lists this machine's interfaces that have an IPv4 address, loopback apart.
func places() ([]place, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var list []place
	for _, i := range all {
		addresses, err := i.Addrs()
		if err != nil || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
				list = append(list, place{i.Name, p})
				break
			}
		}
	}
	return list, nil
}

// starterFor is the starter for a machine with these interfaces.
func starterFor(places []place, dev, vip string) ([]byte, error) {
	at := -1
	for i, p := range places {
		if dev == "" || p.Interface == dev {
			at = i
			break
		}
	}
	if at < 0 {
		if dev == "" {
			return nil, errors.New("no interface has an IPv4 address; give --interface and --vip on the machine that has one")
		}
		return nil, fmt.Errorf("interface %q is not there or has no IPv4 address", dev)
	}
	here := places[at]
	address := suggestion(here.Prefix, 200)
	if vip != "" {
		ip, err := netip.ParseAddr(vip)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--vip: %w", err)}
		}
		address = ip
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	var others []string
	for i, p := range places {
		if i != at {
			others = append(others, fmt.Sprintf("%s (%s)", p.Interface, p.Prefix))
		}
	}
	t, err := template.New("starter").Parse(starter)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = t.Execute(&text, map[string]any{
		"Host": host, "Here": here, "VIP": address, "Service": netip.AddrPortFrom(address, 80), "Others": strings.Join(others, ", "),
		"Real1": netip.AddrPortFrom(suggestion(here.Prefix, 11), 80), "Real2": netip.AddrPortFrom(suggestion(here.Prefix, 12), 80),
	})
	if err != nil {
		return nil, err
	}
	out, diags := conf.Format(text.Bytes(), "starter")
	return out, diags.Err()
}

// suggestion is the address with this last byte in the interface's network, or the
// next that is neither the interface's own nor outside.
func suggestion(p netip.Prefix, last byte) netip.Addr {
	b := p.Addr().As4()
	b[3] = last
	for range 255 {
		ip := netip.AddrFrom4(b)
		if p.Masked().Contains(ip) && ip != p.Addr() && ip != p.Masked().Addr() && ip != lastOf(p) {
			return ip
		}
		b[3]++
	}
	b[3] = last // a network too small for a suggestion: shown as an example only
	return netip.AddrFrom4(b)
}

// lastOf is the broadcast address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}
