// Package keepalived reads the configuration language of keepalived 2.x and writes
// the same meaning as HCL for usher.
//
// The reader knows the language: includes, conditions on the id, variables,
// repetition, quoting, comments. The translator knows the directives. Each is
// carried over or gives a Warning with file, line and reason; comments stay where
// they stand. What comes out always loads: where a translation turns out not to be
// valid for usher, the least part of it is left out, with a warning too.
//
//	hcl, warnings, err := keepalived.Import("/etc/keepalived/keepalived.conf", keepalived.Options{})
package keepalived
