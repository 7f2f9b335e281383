// Package conf turns HCL files into validated configuration of the three domains.
//
// It works in two stages. A schema table, the only list of keys there is, drives
// the reading of the files into a tree of values that know their place; from that
// tree the domain types of vrrp, healthcheck and director are built, defaults and
// inheritance resolved, and validated by their own packages. Every complaint, of
// the first or the second stage, carries file, line, source line and caret, and
// all come at once. Nothing is rounded, truncated or repaired in silence.
//
//	config, diags := conf.Load([]string{"/etc/usher"}, map[string]string{"priority": "150"})
//	if diags.HasErrors() {
//		fmt.Print(diags.Text(false)) // FILE:LINE, the line, a caret, and what to write instead
//	}
//	director.Apply(ctx, config.Pools())
package conf
