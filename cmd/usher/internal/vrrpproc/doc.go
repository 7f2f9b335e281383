// Package vrrpproc is the VRRP process of usher, from both sides. The child runs
// every instance and nothing else, so that no storm of checks and no reload
// delays an advertisement. The parent starts it, hands it the configuration as
// values, and sees to it that nothing of it outlives it: it withdraws the
// addresses of a child that died and starts it again. A child that finds its
// parent gone resigns, removes its addresses and exits.
//
// They talk over one inherited socket pair, in frames of JSON.
package vrrpproc
