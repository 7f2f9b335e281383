package track

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/vrrp"
)

func TestFileAdjustment(t *testing.T) {
	for _, tt := range []struct {
		weight, value int
		reverse       bool
		want          vrrp.Adjustment
	}{
		{0, 0, false, vrrp.Adjustment{}},
		{0, 1, false, vrrp.Adjustment{Fault: true}},
		{0, -1, false, vrrp.Adjustment{Fault: true}},
		{0, 0, true, vrrp.Adjustment{Fault: true}},
		{0, 5, true, vrrp.Adjustment{}},
		{1, 20, false, vrrp.Adjustment{Weight: 20}},
		{-2, 20, false, vrrp.Adjustment{Weight: -40}},
		{-2, 20, true, vrrp.Adjustment{Weight: 40}},
		{1, -253, false, vrrp.Adjustment{Weight: -253}},
		{1, -254, false, vrrp.Adjustment{Weight: -254, Fault: true}},
		{253, 2_000_000_000, false, vrrp.Adjustment{Weight: 254}},
		{-253, 2_000_000_000, false, vrrp.Adjustment{Weight: -254, Fault: true}},
	} {
		if got := fileAdjustment(vrrp.Track{Weight: tt.weight, Reverse: tt.reverse}, result{value: tt.value}); got != tt.want {
			t.Errorf("weight %d, number %d, reverse %v: %+v; want %+v", tt.weight, tt.value, tt.reverse, got, tt.want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "not", "yet")
	path := filepath.Join(folder, "weight")
	tr := start(t, instance("web", vrrp.Track{Kind: vrrp.TrackFile, Name: path, Weight: 1}), instance("mail", vrrp.Track{Kind: vrrp.TrackFile, Name: path, Weight: 0}))
	step := func(what string, weight int, faulted bool) {
		t.Helper()
		for range 2 {
			s := tr.next(t)
			if s.instance == "web" && s.Weight != weight || s.instance == "mail" && s.Fault != faulted {
				t.Fatalf("%s: %+v; want weight %d, fault %v", what, s, weight, faulted)
			}
		}
	}
	step("no file", 0, false)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "-10\n")
	step("written", -10, true)
	write(t, path, "rubbish") // told, and the last number holds
	write(t, path+".new", " 7 \nand more")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	step("replaced", 7, true)
	if err := os.RemoveAll(filepath.Dir(folder)); err != nil {
		t.Fatal(err)
	}
	step("removed with its folder", 0, false)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "3")
	step("and back", 3, true)
}

// TestFileWrittenAnew: a file that is empty because somebody is writing it anew is not
// yet 0, whatever else happens in its folder meanwhile.
func TestFileWrittenAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weight")
	write(t, path, "1")
	tr := stopped()
	tr.writing = time.Hour
	tr.begin(t, instance("web", vrrp.Track{Kind: vrrp.TrackFile, Name: path, Weight: 1}))
	for weight := 1; weight < 100; weight++ {
		if s := tr.next(t); s.Weight != weight {
			t.Fatalf("%+v, want %d", s, weight)
		}
		f, err := os.Create(path) // as a shell's > does
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+".other", "") // the folder is looked at, soon
		runtime.Gosched()
		_, err = fmt.Fprint(f, weight+1)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFileEmptied: a file that stays empty is 0.
func TestFileEmptied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weight")
	write(t, path, "5")
	tr := start(t, instance("web", vrrp.Track{Kind: vrrp.TrackFile, Name: path, Weight: 1}))
	for _, weight := range []int{5, 0} {
		if s := tr.next(t); s.Weight != weight {
			t.Fatalf("%+v, want %d", s, weight)
		}
		write(t, path, "")
	}
}

// TestFileThatIsNone: a named pipe waits for a writer, a device has no end; neither is
// read, and the tracker ends when it is told to.
func TestFileThatIsNone(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", t.TempDir()} {
		if n, _, err := readNumber(path); n != 0 || err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %d, %v", path, n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	published := make(chan result, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		New(Options{}).file(pipe)(ctx, nil, func(r result) { published <- r })
	}()
	if r := <-published; r.value != 0 {
		t.Errorf("it publishes %+v", r)
	}
	cancel()
	<-ended
}
