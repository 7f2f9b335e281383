package genl

import (
	"fmt"
	"time"

	moby "github.com/moby/ipvs"
	"golang.org/x/sys/unix"

	"usher/director/ipvs"
)

// Timeouts gives the idle times of connections.
func (k *Kernel) Timeouts() (ipvs.Timeouts, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var c *moby.Config
	err := k.moby.do(func(h *moby.Handle) (err error) {
		c, err = h.GetConfig()
		return err
	})
	if err != nil {
		return ipvs.Timeouts{}, fmt.Errorf("ipvs: read the timeouts: %w", err)
	}
	seconds := func(d time.Duration) uint32 { return uint32(d / time.Second) }
	return ipvs.Timeouts{TCP: seconds(c.TimeoutTCP), TCPFin: seconds(c.TimeoutTCPFin), UDP: seconds(c.TimeoutUDP)}, nil
}

// SetTimeouts sets the idle times that are not zero.
func (k *Kernel) SetTimeouts(t ipvs.Timeouts) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	duration := func(seconds uint32) time.Duration { return time.Duration(seconds) * time.Second }
	c := &moby.Config{TimeoutTCP: duration(t.TCP), TimeoutTCPFin: duration(t.TCPFin), TimeoutUDP: duration(t.UDP)}
	if err := k.moby.do(func(h *moby.Handle) error { return h.SetConfig(c) }); err != nil {
		return fmt.Errorf("ipvs: set the timeouts: %w", err)
	}
	return nil
}

// SyncDaemons gives the connection synchronisation daemons that run.
func (k *Kernel) SyncDaemons() ([]ipvs.SyncDaemon, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []ipvs.SyncDaemon
	err := k.socket.dump(k.family, cmdGetDaemon, nil, func(payload []byte) error {
		d, err := decodeDaemon(payload)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ipvs: read the sync daemons: %w", err)
	}
	return out, nil
}

// StartSync starts a daemon; unix.EEXIST if one of its role runs already.
func (k *Kernel) StartSync(d ipvs.SyncDaemon) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.socket.do(k.family, cmdNewDaemon, func(m *message) { m.nest(attrDaemon, func() { m.daemon(d) }) }, nil)
	if err != nil {
		return fmt.Errorf("ipvs: start the %s sync daemon: %w", d.Role, err)
	}
	return nil
}

// StopSync stops the daemon of d's role; unix.ESRCH if none runs.
func (k *Kernel) StopSync(d ipvs.SyncDaemon) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.stopSync(d); err != nil {
		return fmt.Errorf("ipvs: stop the %s sync daemon: %w", d.Role, err)
	}
	return nil
}

// stopSync sends a second, harmless request along, since the first may go without
// an answer: a daemon that is stopped before its thread ever ran ends with EINTR,
// which netlink takes for a request that it must not acknowledge.
func (k *Kernel) stopSync(d ipvs.SyncDaemon) error {
	stop, barrier := k.socket.next(), k.socket.next()
	m, at := begin(nil, k.family, unix.NLM_F_REQUEST|unix.NLM_F_ACK, stop, cmdDelDaemon)
	m.nest(attrDaemon, func() { m.daemon(d) })
	out := m.end(at)
	m, at = begin(out, k.family, unix.NLM_F_REQUEST|unix.NLM_F_ACK, barrier, cmdGetInfo)
	if err := k.socket.send(m.end(at)); err != nil {
		return err
	}
	var failure error
	for done := false; !done; {
		err := k.socket.receive(func(r reply) {
			if r.seq == stop && r.err != nil {
				failure = r.err
			}
			done = done || r.seq == barrier && r.done
		})
		if err != nil {
			return err
		}
	}
	return failure
}
