package peers

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"

	"usher/cmd/usher/internal/peers/share"
)

// How often things are done.
const (
	tick         = time.Second
	joinEvery    = 5 * time.Second  // addresses where nobody is up are tried again
	joinSoon     = 5                // rounds that follow each other each tick
	openEvery    = 5 * time.Second  // likewise an address at which one cannot listen
	describeAny  = time.Minute      // the document is written anew, though it says the same
	memberKept   = 24 * time.Hour   // a member that is gone is shown
	conflictKept = 30 * time.Second // so is another director with our name
	leaveLimit   = 500 * time.Millisecond
)

// Run is the member's life, until ctx ends. Then it leaves the group.
func (n *Node) Run(ctx context.Context) error {
	n.wg.Go(func() { n.tell(ctx) })
	defer n.wg.Wait()
	every := time.NewTicker(tick)
	defer every.Stop()
	var retry time.Time
	for {
		n.follow(&retry)
		n.tidy(ctx)
		select {
		case <-ctx.Done():
			n.leave()
			return nil
		case <-n.kick:
		case <-every.C:
		}
	}
}

// follow brings the member to what is wanted.
func (n *Node) follow(retry *time.Time) {
	n.mu.Lock()
	c, m := n.config, n.running
	n.mu.Unlock()
	if m != nil && (c == nil || m.config.moved(c)) {
		n.leave()
		m, *retry = nil, time.Time{}
	}
	if c == nil {
		return
	}
	if m == nil {
		if time.Now().Before(*retry) {
			return
		}
		*retry = time.Now().Add(openEvery)
		n.open(c)
		return
	}
	if !m.config.equal(c) {
		// A key that cannot be used is refused where it is configured.
		_ = n.guard.read(c.keys())
		for _, k := range c.keys() {
			_ = m.ring.AddKey(k)
		}
		n.mu.Lock()
		m.config, m.joined = c, time.Time{}
		n.news = true
		n.mu.Unlock()
	}
	n.choose(m)
}

// open begins to listen, and to join.
func (n *Node) open(c *Config) {
	m := &member{name: c.Name, config: c}
	m.delegate = newDelegate(n, c.Name)
	err := n.guard.read(c.keys())
	if err == nil {
		m.transport, err = listen(n.o.Network, c.Listen, n.guard, n.known)
	}
	if err == nil {
		if err = m.create(n); err != nil {
			_ = m.transport.Shutdown()
		}
	}
	if n.opened(m, err) {
		n.event(true, fmt.Sprintf("the other directors are not heard: %v; it is tried again", err))
	}
}

// opened notes how that went, and tells whether it is news that it fails.
func (n *Node) opened(m *member, err error) (fails bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		if fails = n.failure == nil || n.failure.Error() != err.Error(); fails {
			n.since = time.Now()
		}
		n.failure = err
		n.learning.done()
		return fails
	}
	if n.failure != nil {
		n.since = time.Now()
	}
	n.failure, n.running, n.news = nil, m, true
	return false
}

// create makes memberlist's side.
func (m *member) create(n *Node) (err error) {
	c := m.config
	m.ring, err = memberlist.NewKeyring(c.keys(), c.Key)
	if err != nil {
		return err
	}
	conf := memberlist.DefaultLANConfig()
	conf.Name, conf.Transport, conf.Keyring = c.Name, m.transport, m.ring
	conf.BindAddr, conf.BindPort = c.Listen.Addr().String(), int(m.transport.at.Port())
	conf.AdvertiseAddr, conf.AdvertisePort = conf.BindAddr, conf.BindPort
	conf.TCPTimeout, conf.PushPullInterval = patience, 10*time.Second
	conf.EnableCompression = false // which the guard refuses
	conf.UDPBufferSize = 1300
	conf.DeadNodeReclaimTime = 10 * time.Second
	conf.Delegate, conf.Events, conf.Conflict, conf.Alive = m.delegate, m.delegate, m.delegate, m.delegate
	conf.Logger = newLibrary(n.o.Log)
	m.list, err = memberlist.Create(conf)
	return err
}

// leave ends the membership.
func (n *Node) leave() {
	n.mu.Lock()
	m := n.running
	n.running = nil
	n.mu.Unlock()
	if m == nil {
		return
	}
	now := time.Now()
	text := share.Message{Header: share.Header{Kind: share.KindLeave, From: m.name}}.Encode(now)
	// Those that memberlist has: a reload that takes the block away, or gives another name,
	// has forgotten the members already.
	for _, o := range m.list.Members() {
		if o.Name != m.name {
			// Where nobody hears either, the others find out.
			_ = m.list.SendBestEffort(o, text)
		}
	}
	_ = m.list.Leave(leaveLimit)
	m.delegate.closed.Store(true)
	_ = m.list.Shutdown()
	m.tasks.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range n.members {
		if o.Up {
			o.Up, o.Since, o.Why = false, time.Now(), whySilent
		}
	}
}

// tidy does what is due.
func (n *Node) tidy(ctx context.Context) {
	now := time.Now()
	n.mu.Lock()
	m, c := n.running, n.config
	if c == nil {
		n.mu.Unlock()
		return
	}
	if n.share.Prune(now) {
		n.unsaved = true
	}
	for name, o := range n.members {
		if !o.Up && now.Sub(o.Since) > memberKept {
			delete(n.members, name)
		}
	}
	n.describe(m, now)
	unsaved := n.unsaved
	again := joinEvery
	if m != nil && m.rounds < joinSoon { // directors that are started together find each other
		again = tick
	}
	if m != nil && !m.joining && now.Sub(m.joined) >= again {
		n.join(ctx, m, now)
	}
	n.mu.Unlock()
	if unsaved {
		if err := n.save(now); err != nil {
			n.o.Log.Debug("what is shared with other directors is not kept", "error", err)
		}
	}
}

// describe writes the document anew where it says something else, or nothing was heard of
// it for long, and sends it to all, once a second at the most. The caller has the lock.
func (n *Node) describe(m *member, now time.Time) {
	since := now.Sub(n.described)
	again := n.news || since >= describeAny
	if since < tick || !n.anew && !again {
		return
	}
	d := n.describing
	d.Keys = n.config.fingerprints()
	n.news = n.share.Describe(d, again, now) || again
	n.anew = false
	if n.news && m != nil && !m.sending {
		n.spread(m, now)
	}
}

// spread sends the document to all. The caller has the lock.
func (n *Node) spread(m *member, now time.Time) {
	d, ok := n.share.Document(m.name)
	if !ok {
		return
	}
	n.news, n.described, m.sending = false, now, true
	text := share.Message{Header: share.Header{Kind: share.KindSay, From: m.name}, Documents: []share.Document{d}}.Encode(now)
	to := n.up()
	n.beside(m, func() {
		each(to, func(o *memberlist.Node) {
			// Who does not get it now gets it with the next exchange of states.
			_ = m.list.SendReliable(o, text)
		})
		n.mu.Lock()
		m.sending = false
		n.mu.Unlock()
	})
}

// atOnce is how many others are spoken to at the same time.
const atOnce = 8

// each does something for each of several, some at a time.
func each[T any](all []T, do func(T)) {
	turns := make(chan struct{}, atOnce)
	done := make(chan struct{})
	for _, one := range all {
		go func() {
			turns <- struct{}{}
			do(one)
			<-turns
			done <- struct{}{}
		}()
	}
	for range all {
		<-done
	}
}

// up are the members that are there, as memberlist wants them. The caller has the lock.
func (n *Node) up() (all []*memberlist.Node) {
	for _, m := range n.members {
		if m.Up {
			all = append(all, nodeOf(m))
		}
	}
	return all
}

func nodeOf(m *Member) *memberlist.Node {
	return &memberlist.Node{Name: m.Name, Addr: m.Address.Addr().AsSlice(), Port: m.Address.Port()}
}

// join speaks to the addresses where nobody is up: those of the configuration, and those
// of members that are silent, so that a group that fell apart comes together by itself.
// The caller has the lock.
func (n *Node) join(ctx context.Context, m *member, now time.Time) {
	var targets []netip.AddrPort
	there := map[netip.AddrPort]bool{m.transport.at: true}
	for _, o := range n.members {
		if o.Up {
			there[o.Address] = true
		}
	}
	add := func(a netip.AddrPort) {
		if !there[a] && len(targets) < share.MaxMembers {
			there[a] = true
			targets = append(targets, a)
		}
	}
	for _, a := range m.config.Join {
		add(a)
	}
	for _, o := range n.members {
		if !o.Up && o.Why == whySilent {
			add(o.Address)
		}
	}
	slices.SortFunc(targets, netip.AddrPort.Compare)
	l := n.learning
	m.joined = now
	if len(targets) == 0 {
		l.done()
		return
	}
	m.joining = true
	n.beside(m, func() {
		each(targets, func(a netip.AddrPort) {
			if ctx.Err() != nil {
				return
			}
			if _, err := m.list.Join([]string{a.String()}); err == nil {
				n.mu.Lock()
				n.alone = false
				n.mu.Unlock()
				l.one()
			}
		})
		n.mu.Lock()
		m.joining = false
		m.rounds++
		n.mu.Unlock()
		l.done()
		n.wake()
	})
}

// choose picks the key to write with: the new one where all that are there read it, else
// the old one where they read that. While nobody is there both are tried in turns.
func (n *Node) choose(m *member) {
	n.mu.Lock()
	c := m.config
	key := c.Key
	if len(c.OldKey) > 0 {
		lacks := map[string]bool{}
		nobody := true
		for _, o := range n.members {
			d, ok := n.share.Document(o.Name)
			if !o.Up || !ok {
				continue
			}
			nobody = false
			for _, k := range c.keys() {
				if f := fingerprint(k); !slices.Contains(d.Keys, f) {
					lacks[f] = true
				}
			}
		}
		if nobody && m.rounds%2 == 1 || lacks[fingerprint(c.Key)] && !lacks[fingerprint(c.OldKey)] {
			key = c.OldKey
		}
	}
	n.mu.Unlock()
	if len(key) > 0 && !bytes.Equal(m.ring.GetPrimaryKey(), key) {
		// It is in the ring.
		_ = m.ring.UseKey(key)
	}
}
