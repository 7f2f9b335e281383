package native

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// holding is what the kernels of both directors told of the VIP, as it happened.
type holding struct {
	mu    sync.Mutex
	turns []turn
	stop  func()
}

// turn is a moment at which a director got the VIP or lost it.
type turn struct {
	at   time.Time
	node string
	has  bool
}

// watchVIP hears of the VIP's route of type local, which an address has as well.
func watchVIP(t *testing.T, l *lab.Lab) *holding {
	t.Helper()
	return watch(t, l, lab.VIP)
}

// watch is watchVIP of any virtual address.
func watch(t *testing.T, l *lab.Lab, vip netip.Addr) *holding {
	t.Helper()
	h := &holding{}
	var all sync.WaitGroup
	done := make(chan struct{})
	for _, n := range l.Directors() {
		updates := make(chan netlink.RouteUpdate, 1000)
		labtest.Must(t, n.Do(func() error {
			return netlink.RouteSubscribeWithOptions(updates, done, netlink.RouteSubscribeOptions{ListExisting: true})
		}))
		all.Go(func() {
			for u := range updates {
				if u.Route.Type != unix.RTN_LOCAL || u.Route.Dst == nil || u.Route.Dst.IP.String() != vip.String() {
					continue
				}
				h.mu.Lock()
				h.turns = append(h.turns, turn{time.Now(), n.Name, u.Type == unix.RTM_NEWROUTE})
				h.mu.Unlock()
			}
		})
	}
	h.stop = sync.OnceFunc(func() {
		close(done)
		all.Wait()
	})
	t.Cleanup(h.stop)
	return h
}

// await waits until the turns up to now are as wanted.
func (h *holding) await(t *testing.T, what string, is func([]turn) bool) error {
	return lab.Until(t.Context(), what, func() error {
		h.mu.Lock()
		turns := slices.Clone(h.turns)
		h.mu.Unlock()
		if !is(turns) {
			return fmt.Errorf("the turns are %v", turns)
		}
		return nil
	})
}

// holders are the directors that have the VIP after some turns. On a loaded machine it may
// have come and gone before: at adverts of 10 ms the guard waits no longer than 35.
func holders(turns []turn) string {
	has := map[string]bool{}
	for _, x := range turns {
		if x.has {
			has[x.node] = true
		} else {
			delete(has, x.node)
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(has)), " ")
}

// since gives how long after a moment the VIP was on no director until one had it, and
// how long in all on both.
func (h *holding) since(from time.Time) (none, both time.Duration, successor string) {
	h.mu.Lock()
	turns := slices.Clone(h.turns)
	h.mu.Unlock()
	slices.SortStableFunc(turns, func(a, b turn) int { return a.at.Compare(b.at) })
	has := map[string]bool{}
	var lost, doubled time.Time
	for _, x := range turns {
		before := len(has)
		if x.has {
			has[x.node] = true
		} else {
			delete(has, x.node)
		}
		if x.at.Before(from) {
			continue
		}
		switch now := len(has); {
		case before == 1 && now == 0 && lost.IsZero():
			lost = x.at
		case before == 0 && now == 1 && successor == "":
			none, successor = x.at.Sub(lost), x.node
		case before == 1 && now == 2:
			doubled = x.at
		case before == 2 && now == 1:
			both += x.at.Sub(doubled)
		}
		if len(has) == 2 && successor == "" {
			successor = x.node
		}
	}
	return none, both, successor
}

// alone gives an error unless exactly one director holds a virtual address.
func alone(l *lab.Lab, vip netip.Addr) error {
	family := netlink.FAMILY_V4
	if vip.Is6() {
		family = netlink.FAMILY_V6
	}
	var on []string
	for _, n := range l.Directors() {
		held := false
		err := n.Do(func() error {
			routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
			held = slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Dst != nil && r.Dst.IP.String() == vip.String() })
			return err
		})
		if err != nil {
			return err
		}
		if held {
			on = append(on, n.Name)
		}
	}
	if len(on) != 1 {
		return fmt.Errorf("it is on %q", on)
	}
	return nil
}
