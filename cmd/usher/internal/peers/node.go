package peers

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"usher/cmd/usher/internal/peers/share"
	"usher/director"
)

// Options are what a Node works with.
type Options struct {
	Log     *slog.Logger
	State   string  // folder in which is kept what is shared; "" for none
	Network Network // nil for this machine's
	// Heard is told what was said elsewhere of servers. Each is to be in force, and kept,
	// when it returns.
	Heard func([]share.Held)
	// Event is told of members that come and go. It writes to a log, which may block:
	// nobody calls it with a lock of the node's.
	Event func(Event)
}

// Event is something that an operator may want to know.
type Event struct {
	At      time.Time
	Warning bool
	Text    string
}

// Node is this director as a member of its group, or of none. Nothing runs before Run.
type Node struct {
	o      Options
	guard  *guard
	store  store
	kick   chan struct{} // there is something to do for Run
	work   chan struct{} // there is something to be told to Heard
	wg     sync.WaitGroup
	logs   map[string]*pace // of refusals, by reason
	events *pace

	saving sync.Mutex // one at a time writes the file, or removes it; not taken with mu

	mu         sync.Mutex
	config     *Config // what is wanted; nil for no group
	since      time.Time
	failure    error // why it does not listen
	conflict   conflict
	alone      bool
	learning   *learning
	share      *share.State
	local      map[share.Key]bool // of which something was said for this director alone
	members    map[string]*Member // by name, this one not among them
	unsaved    bool               // the file is behind
	pending    map[share.Key]bool // entries to be told to Heard
	applying   map[share.Key]bool // that it is being told
	acks       []ack
	waiting    map[uint64]*delivery
	lastID     uint64
	describing share.Document // what is to be said of this member
	anew       bool           // that is another thing than before
	news       bool           // the document has to go to all
	described  time.Time      // when it last went
	running    *member        // nil while there is none
}

// conflict is with another director of our name.
type conflict struct {
	text        string // "" for none so far
	since, last time.Time
}

// New makes a member of no group.
func New(o Options) *Node {
	if o.Network == nil {
		o.Network = machine{}
	}
	n := &Node{
		o: o, store: newStore(o.State), kick: make(chan struct{}, 1), work: make(chan struct{}, 1),
		logs: map[string]*pace{}, events: newPace(0.5, 64), since: time.Now(),
		waiting: map[uint64]*delivery{},
		// Answers to one that ran before, which somebody sends again, are none to this one.
		lastID: uint64(time.Now().UnixNano()),
	}
	for _, r := range Refusals() {
		n.logs[r] = newPace(refusalsPerSecond, refusalsAtOnce)
	}
	n.guard = newGuard(n.tellRefused)
	n.reset("")
	return n
}

// reset forgets everything of a group. The caller has the lock, or nobody else the node.
func (n *Node) reset(name string) {
	n.share, n.local, n.members = share.New(name), map[share.Key]bool{}, map[string]*Member{}
	n.pending, n.applying, n.acks = map[share.Key]bool{}, map[share.Key]bool{}, nil
	n.alone, n.failure, n.news, n.described = false, nil, true, time.Time{}
	n.conflict = conflict{}
	n.learning = newLearning()
}

// Apply makes the member one of another group, or with nil of none. said is what operators
// said of servers so far, which is shared where nothing newer is known. It waits for the
// state folder, and not for the network; nothing else waits for it. One call at a time.
func (n *Node) Apply(c *Config, said map[share.Key]director.Override) error {
	defer n.wake()
	if c == nil {
		return n.disband()
	}
	n.mu.Lock()
	joins := n.config == nil
	n.mu.Unlock()
	now := time.Now()
	var entries []share.Held
	var local map[share.Key]bool
	var err error
	if joins { // without a group nobody else writes the file
		entries, local, err = n.store.load(now)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if joins {
		n.since = now
		n.reset(c.Name)
		n.take(entries, now)
		n.local = local
		n.adopt(said, now)
	} else if n.config.Name != c.Name {
		entries, local, pending := n.share.Entries(), n.local, n.pending
		n.reset(c.Name)
		n.take(entries, now)
		n.local, n.pending = local, pending
	}
	n.config = c
	return err
}

// disband makes the member one of no group, and forgets what was shared.
func (n *Node) disband() error {
	n.mu.Lock()
	if n.config != nil {
		n.since = time.Now()
	}
	n.config = nil
	n.reset("")
	n.mu.Unlock()
	// A save that is under way would write the file anew: in the next group what was said
	// in this one would come before what has been said since.
	n.saving.Lock()
	defer n.saving.Unlock()
	return n.store.clear()
}

// Again has Heard told of everything once more, for a director that is new, or for what is
// not in force because the process ended between the two.
func (n *Node) Again() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.share.Entries() {
		if !n.local[h.Key] {
			n.pending[h.Key] = true
		}
	}
	n.toTell()
}

// take merges entries of our own. The caller has the lock.
func (n *Node) take(entries []share.Held, now time.Time) {
	for _, h := range entries {
		left := time.Duration(0)
		if !h.Ends.IsZero() {
			left = h.Ends.Sub(now)
		}
		// One that is refused is too old, or from a clock that has been set.
		_, _ = n.share.Merge(h.Entry, left, now)
	}
}

// adopt shares what was said before there was a group. The caller has the lock.
func (n *Node) adopt(said map[share.Key]director.Override, now time.Time) {
	for key, o := range said {
		if n.local[key] {
			continue
		}
		if _, ok := n.share.Adopt(key, o, now); ok {
			n.unsaved = true
		}
	}
}

// Describe sets what this member says of itself, beside its name and keys.
func (n *Node) Describe(d share.Document) {
	d = d.Bounded() // which takes its time, where thousands of servers are down
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.describing.Says(d) {
		n.describing, n.anew = d, true
		n.wake()
	}
}

// Local notes that something is said of a server for this director alone, before it is in
// force: what the others were told of it is not told here again.
func (n *Node) Local(key share.Key) error {
	n.mu.Lock()
	if n.config == nil {
		n.mu.Unlock()
		return nil
	}
	if len(n.local) < share.MaxEntries {
		n.local[key] = true
	}
	delete(n.pending, key)
	n.mu.Unlock()
	return n.save(time.Now())
}

func (n *Node) wake() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

func (n *Node) toTell() {
	select {
	case n.work <- struct{}{}:
	default:
	}
}

// save has the file hold what is shared.
func (n *Node) save(now time.Time) error {
	n.saving.Lock()
	defer n.saving.Unlock()
	n.mu.Lock()
	if n.config == nil {
		n.mu.Unlock()
		return nil
	}
	name, entries := n.config.Name, n.share.Entries()
	local := make(map[share.Key]bool, len(n.local))
	for k := range n.local {
		local[k] = true
	}
	n.unsaved = false
	n.mu.Unlock()
	err := n.store.save(name, entries, local, now)
	if err != nil {
		n.mu.Lock()
		n.unsaved = true
		n.mu.Unlock()
	}
	return err
}

// event tells of something, seldom. The caller does not have the lock.
func (n *Node) event(warning bool, text string) {
	if n.events.one() {
		n.o.Event(Event{At: time.Now(), Warning: warning, Text: text})
	}
}

// meaning says what each reason is, for people.
var meaning = map[string]string{
	reasonKey:             "not encrypted with our key: a foreign packet, or a director with another key",
	reasonMalformed:       "encrypted with our key, and nothing that a director sends",
	reasonGiant:           "larger than anything that a director sends",
	reasonFlood:           "more than a group of directors sends",
	reasonBusy:            "a connection while others keep theirs open",
	string(share.Invalid): "a message that no director writes",
	string(share.Future):  "a clock that is more than a day ahead of ours",
	string(share.Full):    "more overrides or directors than there is room for",
}

// A director with another key may be there all night: then a line an hour says so, beside
// the status and the metrics.
const (
	refusalsPerSecond = 1.0 / 3600
	refusalsAtOnce    = 3
)

func (n *Node) tellRefused(r Refused) {
	if n.logs[r.Reason].one() {
		n.o.Log.Warn("something from the network is no message of a director of the group, or is not taken; most of the kind are only counted",
			"reason", r.Reason, "from", r.From, "why", meaning[r.Reason])
	}
}

// learning is the first exchange with others.
type learning struct {
	first, all chan struct{} // closed when one has answered, and when all have or will not
	once       [2]sync.Once
}

func newLearning() *learning {
	return &learning{first: make(chan struct{}), all: make(chan struct{})}
}

func (l *learning) one()  { l.once[0].Do(func() { close(l.first) }) }
func (l *learning) done() { l.once[1].Do(func() { close(l.all) }) }

// grace is for how long the others may take when one has answered.
const grace = 300 * time.Millisecond

// Learned waits until what is said elsewhere is in force here, as far as somebody tells
// it, or until ctx ends; it gives whether somebody did. Without a group it does not wait.
func (n *Node) Learned(ctx context.Context) bool {
	n.mu.Lock()
	l, on := n.learning, n.config != nil
	n.mu.Unlock()
	if !on {
		return true
	}
	heard := true
	select {
	case <-l.all:
	case <-l.first:
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-l.all:
		case <-timer.C:
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
	select {
	case <-l.first:
	default:
		heard = false
	}
	for n.behind() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return heard
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alone = !heard && len(n.config.Join) > 0
	return heard || len(n.config.Join) == 0
}

// behind tells whether something is still to be told to Heard.
func (n *Node) behind() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pending)+len(n.applying) > 0
}

// known tells whether somebody at an address may be a member.
func (n *Node) known(a netip.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.config == nil {
		return false
	}
	for _, j := range n.config.Join {
		if j.Addr() == a {
			return true
		}
	}
	for _, m := range n.members {
		if m.Address.Addr() == a {
			return true
		}
	}
	return false
}

// beside does something beside, which leave waits for, unless the membership is over. The
// caller has the lock.
func (n *Node) beside(m *member, do func()) {
	if n.running == m {
		m.tasks.Go(do)
	}
}

// member is what runs as long as name, address and whether it is encrypted stay.
type member struct {
	name      string
	config    *Config
	list      *memberlist.Memberlist
	ring      *memberlist.Keyring
	transport *transport
	delegate  *delegate
	tasks     sync.WaitGroup
	joining   bool      // a round is under way; under the node's lock
	joined    time.Time // when the last round began
	rounds    int
	sending   bool // the document is on its way; under the node's lock
}
