package probe

import (
	"usher/healthcheck"
	"usher/healthcheck/bfd"
)

// peerOf is a bfd check's session.
func peerOf(c *healthcheck.Check) bfd.Peer {
	p := bfd.Peer{Address: c.Address.Addr().Unmap(), Interface: c.Interface, Mark: c.Mark}
	if b := c.BFD; b != nil {
		p.Source = b.Source
		p.Config = bfd.Config{MinTX: b.MinTX, MinRX: b.MinRX, Multiplier: uint8(b.Multiplier), Passive: b.Passive}
	}
	return p
}

// judgeBFD is a session's change as a result.
func judgeBFD(c bfd.Change) healthcheck.Result {
	r := healthcheck.Result{Outcome: healthcheck.Fail, Reason: c.Reason}
	switch {
	case c.State == bfd.Up:
		r.Outcome = healthcheck.Pass
	case c.Fault:
		r.Outcome = healthcheck.Inconclusive
	}
	return r
}
