// Package conf turns HCL files into validated configuration of the three domains.
//
// It works in two stages. A schema table, the only list of keys there is, drives
// the reading of the files into a tree of values that know their place; from that
// tree the domain types of vrrp, healthcheck and director are built, defaults and
// inheritance resolved, and validated by their own packages. Every complaint, of
// the first or the second stage, carries file, line, source line and caret, and
// all come at once. Nothing is rounded, truncated or repaired in silence.
package conf
