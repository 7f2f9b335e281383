package sim

import (
	"context"
	"math"
	"sync"
	"time"

	ipvsengine "usher/director/engine"
	"usher/healthcheck"
	checkengine "usher/healthcheck/engine"
	"usher/vrrp"
	"usher/vrrp/engine"
	"usher/vrrp/vip"
)

// process is one usher on one machine, from its start to its death.
type process struct {
	*gate
	machine *machine
	cancel  context.CancelFunc
	work    sync.WaitGroup
	// received is as long as a socket's queue; what overflows it is lost.
	received chan engine.Incoming
	commands chan func(time.Time, *engine.Engine)
	quit     chan struct{} // the loop ends
	// halted wakes the loop when the process is stopped, so that it sleeps outside
	// its wait, as a stopped process does: when it goes on, packets and an expired
	// timer are both there, in no order.
	halted chan struct{}
	loop   sync.WaitGroup
	lacks  *lacks

	manager  *vip.Manager
	director *ipvsengine.Engine
	checks   *checkengine.Engine
	stopHold context.CancelFunc
}

// start is what `usher run` does: leftovers go first, then IPVS is adopted, the
// checks run, and the virtual routers listen.
func (m *machine) start() {
	ctx, cancel := context.WithCancel(context.Background())
	holdCtx, stopHold := context.WithCancel(context.Background())
	p := &process{
		gate: &gate{}, machine: m, cancel: cancel, stopHold: stopHold,
		received: make(chan engine.Incoming, 256),
		commands: make(chan func(time.Time, *engine.Engine), 64),
		quit:     make(chan struct{}),
		halted:   make(chan struct{}, 1),
		lacks:    newLacks(),
	}
	m.process = p
	desired := m.world.desired(m.id)
	kernel := addresses{Kernel: m.addresses, gate: p.gate}
	if _, err := vip.Cleanup(ctx, kernel, desired.Instances); err != nil {
		m.world.t.Errorf("seed %d: clean-up: %v", m.world.seed, err)
	}
	p.manager = vip.New(vip.Options{Kernel: kernel, Confirm: p.confirm, Unheld: p.unheld})
	for _, c := range desired.Instances {
		if err := p.manager.Configure(c); err != nil {
			m.world.t.Errorf("seed %d: configure %s: %v", m.world.seed, c.Name, err)
		}
	}
	p.work.Go(func() { _ = p.manager.Run(holdCtx) })

	p.director = ipvsengine.New(ipvsengine.Options{Kernel: table{Kernel: m.ipvs, gate: p.gate}, State: m.state})
	p.checks = checkengine.New(checkengine.Options{
		Prober:  checkengine.ProberFunc(m.probe),
		Results: p.director.SetHealth,
	})
	p.work.Go(func() { _ = p.director.Run(ctx) })
	p.work.Go(func() {
		if err := p.director.Apply(ctx, m.world.pools); err != nil && ctx.Err() == nil && p.alive() == nil {
			m.world.t.Errorf("seed %d: apply: %v", m.world.seed, err)
		}
		if err := p.checks.Apply(m.world.targets); err != nil {
			m.world.t.Errorf("seed %d: checks: %v", m.world.seed, err)
		}
	})
	p.work.Go(func() { _ = p.checks.Run(ctx) })

	p.loop.Add(1)
	go p.run(desired)
	for _, l := range m.world.lans {
		l.plug(m.id, p.receive)
	}
}

// receive puts a packet into the socket's queue.
func (p *process) receive(in engine.Incoming) {
	select {
	case p.received <- in:
	default: // the queue is full: the kernel drops it
	}
}

// do runs f on the loop.
func (p *process) do(f func(time.Time, *engine.Engine)) {
	select {
	case p.commands <- f:
	case <-p.quit:
	}
}

// confirm answers a worker that woke late, as the real loop does.
func (p *process) confirm(instance string) {
	go p.do(func(now time.Time, e *engine.Engine) {
		for _, s := range e.Status(now) {
			if s.Name == instance {
				p.manager.Set(instance, s.Held)
			}
		}
	})
}

// run drives the engine as package socket does on real sockets: what was received
// before what has expired.
func (p *process) run(desired vrrp.Desired) {
	defer p.loop.Done()
	wrong := time.Duration(0)
	if p.machine.world.plan.HMAC {
		wrong = time.Duration(p.machine.id) * time.Second
	}
	e := engine.New(engine.Options{Ports: ports{p}, Clock: func(now time.Time) time.Time { return now.Add(wrong) }})
	now := time.Now()
	for _, l := range p.machine.links() {
		e.Link(now, l)
	}
	e.Apply(now, desired)
	p.machine.mu.Lock()
	says := p.machine.says
	p.machine.mu.Unlock()
	e.Track(now, desired.Instances[0].Name, trackKey, says)
	timer := time.NewTimer(math.MaxInt64)
	defer timer.Stop()
	for {
		if at, ok := e.Deadline(); ok {
			timer.Reset(time.Until(at))
		} else {
			timer.Stop()
		}
		if p.pass() != nil {
			return
		}
		var command func(time.Time, *engine.Engine)
		var in *engine.Incoming
		select {
		case <-p.quit:
			return
		case <-p.halted:
			continue
		case <-p.lacks.wake:
			for name, reason := range p.lacks.take() {
				e.Unheld(time.Now(), name, reason)
			}
			continue
		case packet := <-p.received:
			in = &packet
		case command = <-p.commands:
		case <-timer.C:
		}
		now := time.Now()
		if in != nil {
			e.Receive(now, *in)
		}
		for drained := false; !drained; {
			select {
			case packet := <-p.received:
				e.Receive(now, packet)
			default:
				drained = true
			}
		}
		if command != nil {
			command(now, e)
		}
		if at, ok := e.Deadline(); ok && !at.After(now) {
			e.Expire(now)
		}
	}
}

// kill is SIGKILL: nothing is tidied up, sockets close.
func (p *process) kill() {
	p.gate.kill()
	p.end()
}

// stop is SIGTERM: the virtual routers resign and their addresses go, then IPVS
// is cleaned or kept.
func (p *process) stop(keep bool) {
	resigned := make(chan struct{})
	p.do(func(now time.Time, e *engine.Engine) {
		e.Shutdown(now)
		close(resigned)
	})
	<-resigned
	p.end()
	if err := p.director.Stop(context.Background(), keep); err != nil {
		p.machine.world.t.Errorf("seed %d: stop: %v", p.machine.world.seed, err)
	}
}

func (p *process) end() {
	for _, l := range p.machine.world.lans {
		l.plug(p.machine.id, nil)
	}
	close(p.quit)
	p.loop.Wait()
	p.stopHold()
	p.cancel()
	p.work.Wait()
	p.machine.process = nil
}

// ports is the world as the engine of one process sees it.
type ports struct{ *process }

func (p ports) Send(_ string, out engine.Outgoing) error {
	if err := p.alive(); err != nil {
		return err
	}
	p.machine.world.countSent(p.machine.id, out)
	p.machine.world.lans[out.Interface].send(p.machine.id, out)
	return nil
}

func (p ports) Hold(instance string, active bool) {
	p.lacks.want(instance, active)
	p.manager.Set(instance, active)
}
func (p ports) Announce(instance string) { p.manager.Announce(instance) }
func (p ports) AnnounceSource(s engine.OwnSource) {
	p.manager.AnnounceSource(s.Interface, s.Address, s.MAC)
}
func (p ports) Event(e vrrp.Event) { p.machine.record(e) }

// probe answers a health check as the server's true state and the machine's cable
// to it say.
func (m *machine) probe(_ context.Context, c *healthcheck.Check) healthcheck.Result {
	return m.world.answer(m.id, c.Address)
}
