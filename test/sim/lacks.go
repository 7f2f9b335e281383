package sim

import (
	"fmt"
	"maps"
	"sync"
	"syscall"
	"time"

	"usher/vrrp/vip"
)

// lacks is what the holder of a process says that instances lack, for its loop.
// Whoever tells never waits, for it holds a lock, on which others would wait in a way
// that holds virtual time up.
type lacks struct {
	wake chan struct{}

	mu  sync.Mutex
	now map[string]string
	due map[string]string // not taken yet
	// doubts are of instances of which something was said while the process was stopped,
	// and nothing since.
	doubts map[string]bool
	wanted map[string]bool // what shall be held
}

func newLacks() *lacks {
	return &lacks{wake: make(chan struct{}, 1), now: map[string]string{}, due: map[string]string{}, doubts: map[string]bool{}, wanted: map[string]bool{}}
}

func (l *lacks) tell(instance, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now[instance], l.due[instance] = reason, reason
	delete(l.doubts, instance)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lacks) take() map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := maps.Clone(l.due)
	clear(l.due)
	return due
}

func (l *lacks) doubt(instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubts[instance] = true
}

func (l *lacks) doubted(instance string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doubts[instance]
}

func (l *lacks) want(instance string, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted[instance] = on
}

func (l *lacks) wants(instance string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted[instance]
}

// any says whether some instance lacks something.
func (l *lacks) any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, reason := range l.now {
		if reason != "" {
			return true
		}
	}
	return false
}

// judgement is how long the holder of a process that was stopped needs, once it goes
// on, to find out what it lacks.
const judgement = 2 * time.Second

// unheld takes the holder's report. The part that makes it is stopped with its process in
// life, and here it alone goes on: what it says meanwhile is not what it would have said.
func (p *process) unheld(instance, reason string) {
	if reason == "" || !p.isStopped() {
		p.lacks.tell(instance, reason)
		return
	}
	p.lacks.doubt(instance)
	p.work.Go(func() {
		if p.pass() != nil {
			return
		}
		select {
		case <-p.quit:
			return
		case <-time.After(judgement):
		}
		if p.lacks.doubted(instance) && p.lacks.wants(instance) && !p.manager.Held(instance) {
			p.lacks.tell(instance, reason)
		}
	})
}

// refuse lets a machine's kernel take no more of anything for a while: as where its
// tables are full, or a security module forbids it.
func (w *world) refuse(m *machine, d time.Duration) {
	if m.isRefusing() {
		return
	}
	w.accident("director %d: the kernel takes no address", m.id)
	m.setRefusing(true)
	w.after(d, func() {
		w.accident("director %d: the kernel takes addresses", m.id)
		m.setRefusing(false)
	})
}

func (m *machine) setRefusing(on bool) {
	m.mu.Lock()
	m.refusing = on
	m.mu.Unlock()
	if on {
		m.addresses.Refuse(func(o vip.Object) error { return fmt.Errorf("%w: no room for %v", syscall.ENOBUFS, o) })
		return
	}
	m.addresses.Refuse(nil)
}

func (m *machine) isRefusing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refusing
}
