package socket

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/vrrp"
	"usher/vrrp/dump"
	"usher/vrrp/engine"
)

// watcher tells the engine of every interface: what it is at start, and each change.
// It reads the whole state anew on every notification of something new, so that
// nothing depends on the order or the completeness of notifications.
type watcher struct {
	log *slog.Logger
	do  func(func(now time.Time, e *engine.Engine))
	// ours is as in Options.
	ours func(index int, p netip.Prefix) bool

	mu    sync.Mutex
	last  map[string]engine.Link
	known map[located]bool // the addresses in last, and whether they are usable as a source
}

// located is an address on an interface.
type located struct {
	index   int
	address netip.Addr
}

func newWatcher(log *slog.Logger, do func(func(time.Time, *engine.Engine))) *watcher {
	return &watcher{log: log, do: do, last: map[string]engine.Link{}}
}

// retryWatch is how long after a failed subscription the next one is tried.
const retryWatch = time.Second

// run follows the kernel's notifications until ctx ends.
func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.follow(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("watching interfaces", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryWatch):
		}
	}
}

// follow follows notifications until ctx ends or they break off, as they do when
// the kernel had to drop some.
func (w *watcher) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	broken := make(chan error, 1)
	failed := func(err error) {
		select {
		case broken <- err:
		default:
		}
	}
	links := make(chan netlink.LinkUpdate, 64)
	if err := netlink.LinkSubscribeWithOptions(links, ctx.Done(), netlink.LinkSubscribeOptions{ErrorCallback: failed}); err != nil {
		cancel()
		return fmt.Errorf("vrrp: subscribe to links: %w", err)
	}
	// The library's goroutines send until they see the end, and close when they are done.
	defer drain(links)
	defer cancel()
	addrs := make(chan netlink.AddrUpdate, 64)
	if err := netlink.AddrSubscribeWithOptions(addrs, ctx.Done(), netlink.AddrSubscribeOptions{ErrorCallback: failed}); err != nil {
		return fmt.Errorf("vrrp: subscribe to addresses: %w", err)
	}
	defer drain(addrs)
	defer cancel()
	if err := w.refresh(); err != nil {
		return err
	}
	for {
		news := false
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			return fmt.Errorf("vrrp: notifications broke off: %w", err)
		case <-links:
			news = true
		case a := <-addrs:
			news = w.news(a)
		}
		// One reading serves all that waits.
		for range len(links) {
			<-links
			news = true
		}
		for range len(addrs) {
			news = w.news(<-addrs) || news
		}
		if !news {
			continue
		}
		if err := w.refresh(); err != nil {
			return err
		}
	}
}

// news says whether a notification tells of anything that is not known. Every renewal
// of a lease is notified of: with a hundred instances that is a hundred times a second,
// and each reading takes a time that grows with their number.
func (w *watcher) news(a netlink.AddrUpdate) bool {
	ip, ok := netip.AddrFromSlice(a.LinkAddress.IP)
	if !ok {
		return true
	}
	if ip.Unmap() == vrrp.StandIn(ip.Unmap().Is6()) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	was, there := w.known[located{a.LinkIndex, ip.Unmap()}]
	return there != a.NewAddr || there && was != usable(a.Flags)
}

// usable says whether an address can be a source: it is not while it is still being
// checked for duplicates.
func usable(flags int) bool { return flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 }

func drain[T any](ch <-chan T) {
	for range ch {
		continue
	}
}

// refresh reads all interfaces and tells the engine of those that differ from what
// it was last told.
func (w *watcher) refresh() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, err := readLinks()
	if err != nil {
		return err
	}
	w.recognise(now)
	var changed []engine.Link
	for name, l := range now {
		if !reflect.DeepEqual(w.last[name], l) {
			changed = append(changed, l)
		}
	}
	for name := range w.last {
		if _, there := now[name]; !there {
			changed = append(changed, engine.Link{Name: name, Gone: true})
		}
	}
	w.last, w.known = now, map[located]bool{}
	for _, l := range now {
		for _, p := range slices.Concat(l.Lasting, l.Marked) {
			w.known[located{l.Index, p.Addr()}] = false
		}
		for _, a := range l.Addresses {
			w.known[located{l.Index, a}] = true
		}
	}
	if len(changed) > 0 {
		w.do(func(at time.Time, e *engine.Engine) { e.Links(at, changed) })
	}
	return nil
}

// recognise tells usher's own addresses from others' where the kernel keeps no marks.
func (w *watcher) recognise(all map[string]engine.Link) {
	if w.ours == nil {
		return
	}
	for name, l := range all {
		var lasting []netip.Prefix
		for _, p := range l.Lasting {
			if w.ours(l.Index, p) {
				l.Marked = append(l.Marked, p)
			} else {
				lasting = append(lasting, p)
			}
		}
		l.Lasting = lasting
		all[name] = l
	}
}

// readLinks gives all interfaces of this network namespace by name.
func readLinks() (map[string]engine.Link, error) {
	links, err := dump.Latest(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("vrrp: list interfaces: %w", err)
	}
	addrs, err := readAddresses()
	if err != nil {
		return nil, err
	}
	byIndex := make(map[int]*engine.Link, len(links))
	read := make(map[int]netlink.Link, len(links))
	for _, l := range links {
		read[l.Attrs().Index] = l
	}
	for _, l := range links {
		a := l.Attrs()
		const up = unix.IFF_UP | unix.IFF_RUNNING
		byIndex[a.Index] = &engine.Link{Name: a.Name, Index: a.Index, Up: a.RawFlags&up == up, MAC: a.HardwareAddr, MTU: a.MTU,
			ARPOff: arpOff(l, read[a.ParentIndex]), Port: port(read[a.MasterIndex])}
	}
	for _, a := range addrs {
		if l := byIndex[a.index]; l != nil { // else it is of one that has come meanwhile
			a.put(l)
		}
	}
	out := make(map[string]engine.Link, len(links))
	for _, l := range byIndex {
		out[l.Name] = *l
	}
	return out, nil
}
