package rtnl

import (
	"math"
	"net"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp/dump"
	"usher/vrrp/vip"
)

// ruleOf translates a rule.
func ruleOf(r vip.Rule) *netlink.Rule {
	out := netlink.NewRule()
	out.Family = unix.AF_INET
	if r.V6 {
		out.Family = unix.AF_INET6
	}
	out.Table, out.IifName, out.Mark, out.Protocol = r.Table, r.Link, r.Mark, mark
	if r.Mask != 0 {
		out.Mask = &r.Mask
	}
	if r.Priority != 0 {
		out.Priority = r.Priority
	}
	if r.From.IsValid() {
		out.Src = ipNet(r.From.Masked())
	}
	if r.To.IsValid() {
		out.Dst = ipNet(r.To.Masked())
	}
	return out
}

// readRules reads the rules of a family.
func (k *Kernel) readRules(v6 bool) ([]netlink.Rule, error) {
	return dump.Read(func() ([]netlink.Rule, error) { return k.handle.RuleList(ruleOf(vip.Rule{V6: v6}).Family) })
}

// sameRule says whether a rule that is there is the one that is wanted. One without a
// priority was given one by the kernel, and is the same with any.
func sameRule(have, want *netlink.Rule) bool {
	text := func(n *net.IPNet) string {
		if n == nil {
			return ""
		}
		return n.String()
	}
	mask := func(r *netlink.Rule) uint32 {
		switch {
		case r.Mask != nil:
			return *r.Mask
		case r.Mark != 0:
			return math.MaxUint32
		}
		return 0
	}
	return have.Table == want.Table && have.Mark == want.Mark && mask(have) == mask(want) &&
		have.IifName == want.IifName && have.OifName == "" && !have.Invert &&
		text(have.Src) == text(want.Src) && text(have.Dst) == text(want.Dst) &&
		(want.Priority < 0 || have.Priority == want.Priority)
}

// addRule adds a rule where there is none. The kernel would add one without a
// priority again and again, and give each another.
func (k *Kernel) addRule(r vip.Rule) error {
	all, err := k.findRule(r)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		return syscall.EEXIST
	}
	return k.handle.RuleAdd(ruleOf(r))
}

// removeRule removes a rule, however often it is there.
func (k *Kernel) removeRule(r vip.Rule) error {
	all, err := k.findRule(r)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return syscall.ENOENT
	}
	for _, have := range all {
		// With its priority: the kernel takes any rule for one of fewer selectors.
		one := ruleOf(r)
		one.Priority = have.Priority
		if err := k.handle.RuleDel(one); err != nil {
			return err
		}
	}
	return nil
}

// findRule gives all rules of ours that are the one that is wanted.
func (k *Kernel) findRule(r vip.Rule) (found []netlink.Rule, err error) {
	all, err := k.readRules(r.V6)
	for _, have := range all {
		if have.Protocol == mark && sameRule(&have, ruleOf(r)) {
			found = append(found, have)
		}
	}
	return found, err
}
