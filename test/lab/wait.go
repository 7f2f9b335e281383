package lab

import (
	"context"
	"fmt"
	"net"
	"time"
)

// WaitLimit is how long Until waits where the context has no deadline of its own:
// far more than anything takes, even in an emulated machine.
const WaitLimit = 40 * time.Second

// poll is the time between two looks of Until.
const poll = 20 * time.Millisecond

// Until looks again and again until check returns nil; at the end of its time it
// returns what was waited for and the last reason why it is not so.
func Until(ctx context.Context, what string, check func() error) error {
	return within(ctx, WaitLimit, what, check)
}

func within(ctx context.Context, limit time.Duration, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s until %s: %w", time.Since(start).Round(time.Millisecond), what, err)
		case <-tick.C:
		}
	}
}

// Dial opens a TCP connection from the node and closes it.
func (n *Node) Dial(ctx context.Context, address string) error {
	return n.Do(func() error {
		d := net.Dialer{Timeout: 2 * time.Second}
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return c.Close()
	})
}
