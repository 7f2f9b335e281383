package engine

import (
	"context"

	"usher/director"
	"usher/director/ipvs"
)

// calls are the kernel as Run has it: each call is made beside it, and the inbox is served
// until the answer is there.
type calls struct {
	director.Kernel
	beside func(call func())
}

func (c calls) Read() (t ipvs.Table, err error) {
	c.beside(func() { t, err = c.Kernel.Read() })
	return t, err
}

func (c calls) Entry(key ipvs.ServiceKey) (e ipvs.Entry, there bool, err error) {
	c.beside(func() { e, there, err = c.Kernel.Entry(key) })
	return e, there, err
}

func (c calls) Counters(keys ...ipvs.ServiceKey) (t ipvs.CounterTable, err error) {
	c.beside(func() { t, err = c.Kernel.Counters(keys...) })
	return t, err
}

func (c calls) Apply(ops []ipvs.Op) (errs []error) {
	c.beside(func() { errs = c.Kernel.Apply(ops) })
	return errs
}

func (c calls) Timeouts() (t ipvs.Timeouts, err error) {
	c.beside(func() { t, err = c.Kernel.Timeouts() })
	return t, err
}

func (c calls) SetTimeouts(t ipvs.Timeouts) (err error) {
	c.beside(func() { err = c.Kernel.SetTimeouts(t) })
	return err
}

func (c calls) SyncDaemons() (list []ipvs.SyncDaemon, err error) {
	c.beside(func() { list, err = c.Kernel.SyncDaemons() })
	return list, err
}

func (c calls) StartSync(d ipvs.SyncDaemon) (err error) {
	c.beside(func() { err = c.Kernel.StartSync(d) })
	return err
}

func (c calls) StopSync(d ipvs.SyncDaemon) (err error) {
	c.beside(func() { err = c.Kernel.StopSync(d) })
	return err
}

// Sysctl reads and writes kernel settings by names such as "net.ipv4.ip_forward".
type Sysctl interface {
	Get(name string) (string, error)
	Set(name, value string) error
}

// sysctlCalls are the same of kernel settings.
type sysctlCalls struct {
	Sysctl
	beside func(call func())
}

func (c sysctlCalls) Get(name string) (value string, err error) {
	c.beside(func() { value, err = c.Sysctl.Get(name) })
	return value, err
}

func (c sysctlCalls) Set(name, value string) (err error) {
	c.beside(func() { err = c.Sysctl.Set(name, value) })
	return err
}

// SNAT keeps source NAT rules in a place of usher's own in the packet filter.
type SNAT interface {
	// Same tells whether rules are the whole content. It changes nothing.
	Same(rules []director.SNATRule) (bool, error)
	// Keep makes rules the whole content; it tells whether it had to change
	// anything. Without rules the place stays, empty: connections that were
	// translated live by it.
	Keep(rules []director.SNATRule) (changed bool, err error)
	// Remove removes the place altogether.
	Remove() error
	// Watch calls changed, which does not block, once it listens and after every change
	// of the rules by anybody, until ctx is done.
	Watch(ctx context.Context, changed func()) error
}

// filterCalls are the same of the packet filter.
type filterCalls struct {
	SNAT
	beside func(call func())
}

func (c filterCalls) Keep(rules []director.SNATRule) (changed bool, err error) {
	c.beside(func() { changed, err = c.SNAT.Keep(rules) })
	return changed, err
}

func (c filterCalls) Remove() (err error) {
	c.beside(func() { err = c.SNAT.Remove() })
	return err
}
