package daemon_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"usher/cmd/usher/internal/api"
	"usher/conf"
)

// TestHangingReload: a reload whose reading does not end, whatever the reason, keeps
// nobody from being answered, is told of, and does not hold up the stop: the instances
// resign at once.
func TestHangingReload(t *testing.T) {
	f := newFixture(t)
	var hangs atomic.Bool
	reads, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.load = func(ctx context.Context) (*conf.Config, conf.Diagnostics) {
		if hangs.Load() {
			reads <- struct{}{}
			<-release // as a system call does: without looking at ctx
		}
		return conf.Load([]string{f.file}, nil)
	}
	d, stop := f.start()
	hangs.Store(true)
	reloaded := make(chan error, 1)
	go func() { reloaded <- d.Reload(context.Background()) }()
	<-reads
	if _, err := d.Maintenance(t.Context(), api.Switch{On: true, Force: true}, "test"); err != nil {
		t.Errorf("maintenance: %v", err)
	}
	// The second waits for the first as long as it takes to call that hanging.
	if err := d.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "another reload still reads its files") {
		t.Errorf("a second reload: %v", err)
	}
	if h := d.Health(); h.OK || !strings.Contains(strings.Join(h.Problems, "\n"), "a reload reads its files since") {
		t.Errorf("health: %+v", h)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := <-reloaded; err == nil || !strings.Contains(err.Error(), "given up") {
		t.Errorf("the reload: %v", err)
	}
	if got := f.world.noted(); got[len(got)-1] == "" || !strings.Contains(strings.Join(got, "\n"), "vrrp resigned") {
		t.Errorf("noted %q", got)
	}
}
