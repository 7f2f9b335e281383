package daemon

import (
	"sync"
	"sync/atomic"
	"time"

	"usher/conf"
)

// current is what runs at present. The lifecycle writes it, everything else reads it, and
// nobody holds its lock for longer than that.
type current struct {
	ready atomic.Bool // started and not stopping

	mu sync.Mutex
	snapshot
}

// snapshot is what runs at one moment.
type snapshot struct {
	started     time.Time
	config      *conf.Config
	serving     *conf.Config    // config with its discovered servers
	passive     bool            // a check of config counts unanswered connections
	neighbours  [2]int          // servers of config in this machine's own networks, IPv4 and IPv6
	active      map[string]bool // instances that are active; to be read under the lock
	onStop      string          // of config, or of the one that is being started
	vrrp        VRRP            // nil without instances so far
	checks      Checks          // nil before the start
	discovery   Discovery       // likewise
	peers       Peers           // nil before the start
	director    Director        // nil without virtual servers so far
	announcer   Announcer       // nil before the first configuration with a block bgp
	withdrawn   []string        // announcements that an operator has withdrawn; replaced, never changed
	maintenance bool
	maintained  time.Time // since when it is on, or off
	unkept      error     // why the state folder does not have maintenance as it is; nil where it does
	reload      reloadOutcome
	begun       time.Time // when a reload began that still reads; zero for none
}

type reloadOutcome struct {
	at  time.Time // zero before the first
	err error
}

func (c *current) now() snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot
}

func (c *current) running() *conf.Config { return c.now().config }

// hangs is when a reload began that has been reading for too long; zero for none.
func (c *current) hangs() time.Time {
	if begun := c.now().begun; !begun.IsZero() && time.Since(begun) >= hangsAfter {
		return begun
	}
	return time.Time{}
}
