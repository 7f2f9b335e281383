package conf

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// fieldWords are what users of keepalived, ipvsadm and HAProxy call things, and
// what usher does.
func fieldWords() map[string]string {
	return map[string]string{
		"masq": "nat", "masquerading": "nat", "gate": "dr", "gatewaying": "dr", "route": "dr", "ipip": "tun", "tunnel": "tun", "fnat": "fullnat",
		"master": "active", "lb_algo": "scheduler", "lvs_sched": "scheduler", "lb_kind": "forward_method", "lvs_method": "forward_method",
		"persistence_timeout": "persistence", "persistence_granularity": "persistence_netmask", "inhibit_on_failure": "on_failure",
		"advert_int": "advert_interval", "virtual_ipaddress": "virtual_addresses", "nopreempt": "preempt", "no_accept": "accept", "use_vmac": "virtual_mac",
		"delay_loop": "interval", "connect_timeout": "timeout", "retry": "fall", "uthreshold": "upper_threshold", "lthreshold": "lower_threshold",
		"vrrp_script": "track_script", "unicast_peer": "unicast", "unicast_src_ip": "unicast", "mcast_src_ip": "source4", "ops": "one_packet",
		"inter": "interval", "http_get": "http", "ssl_get": "https", "tcp_check": "tcp", "misc_check": "exec", "dns_check": "dns", "smtp_check": "smtp",
	}
}

// quoteIt adds to errors of unknown variables that are a bare word what the word may
// be: a text.
func quoteIt(diags hcl.Diagnostics) hcl.Diagnostics {
	out := slices.Clone(diags)
	for i, d := range out {
		e, ok := d.Expression.(*hclsyntax.ScopeTraversalExpr)
		if d.Summary != "Unknown variable" || !ok || len(e.Traversal) != 1 {
			continue
		}
		better := *d
		better.Detail += fmt.Sprintf(" A text stands in quotes: %q.", e.Traversal.RootName())
		out[i] = &better
	}
	return out
}

// didYouMean gives " Did you mean ...?" for the nearest of some names, or "" when
// none is near.
func didYouMean(name string, known []string) string {
	name = strings.ToLower(name)
	best, least := "", 3
	for _, k := range known {
		if d := distance(name, k); d < least && d < len(k) {
			best, least = k, d
		}
	}
	if word := fieldWords()[name]; best == "" && slices.Contains(known, word) {
		best = word
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// distance counts the edits that turn a into b: letters inserted, deleted,
// replaced, or two neighbours swapped.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
