package api

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoomIsShared: one client gets half of what there is, two a third each, and the one
// that comes next finds some free.
func TestRoomIsShared(t *testing.T) {
	take := func(r *Room, client string) (n int) {
		for r.Enter(fmt.Sprintf("%s:%d", client, 1000+n)) != nil {
			n++
		}
		return n
	}
	r := NewRoom(60)
	if one, two, three := take(r, "192.0.2.1"), take(r, "192.0.2.2"), take(r, "[::ffff:192.0.2.1]"); one != 30 || two != 15 || three != 0 {
		t.Errorf("%d, %d and %d of 60", one, two, three)
	}
	if again := take(r, "192.0.2.3"); again == 0 {
		t.Error("nothing for the third")
	}
	// A host has all the addresses of its network, but its own one of a link's.
	six := NewRoom(60)
	if one, same, other, near := take(six, "[2001:db8::1]"), take(six, "[2001:db8::2]"), take(six, "[2001:db8:0:1::1]"), take(six, "[fe80::1%eth0]"); one != 30 || same != 0 || other != 15 || near == 0 {
		t.Errorf("%d, %d, %d and %d of 60", one, same, other, near)
	}
	if n := take(NewRoom(60), "@"); n != 60 {
		t.Errorf("%d of 60 for who has no address", n)
	}
	if NewRoom(1).Enter("192.0.2.1:1") == nil {
		t.Error("none of one")
	}
}

// TestRoomIsGivenBack once, however often; and who waits for it gets it.
func TestRoomIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(2)
		leave := r.Enter("192.0.2.1:1")
		if r.wait(t.Context(), "192.0.2.1:2", time.Second) != nil {
			t.Error("both of two for one client")
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if r.wait(over, "192.0.2.1:2", time.Hour) != nil {
			t.Error("room for who has gone away")
		}
		time.AfterFunc(time.Minute, leave)
		begun := time.Now()
		again := r.wait(t.Context(), "192.0.2.1:2", time.Hour)
		if again == nil || time.Since(begun) != time.Minute {
			t.Fatalf("waited %v: %t", time.Since(begun), again != nil)
		}
		leave()
		leave()
		if r.Enter("192.0.2.1:3") != nil {
			t.Error("given back twice")
		}
		again()
		if len(r.by) != 0 || r.taken != 0 {
			t.Errorf("left behind: %v, %d", r.by, r.taken)
		}
	})
}
