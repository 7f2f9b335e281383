package file_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/director/discover"
	"usher/director/discover/file"
)

// disk is the file system as it is.
type disk struct{}

func (disk) Read(_ context.Context, path string, _ int64) ([]byte, error) { return os.ReadFile(path) }
func (disk) Stat(_ context.Context, path string) (fs.FileInfo, error)     { return os.Stat(path) }
func (disk) Folder(_ context.Context, path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// place is a folder with a Reader of some of its files.
type place struct {
	*testing.T
	dir    string
	reader *file.Reader
}

func newPlace(t *testing.T, patterns ...string) *place {
	t.Helper()
	p := &place{T: t, dir: t.TempDir()}
	w, err := file.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	s := discover.Source{Kind: discover.KindFile, File: &discover.File{}}
	for _, pattern := range patterns {
		s.File.Paths = append(s.File.Paths, filepath.Join(p.dir, pattern))
	}
	p.reader = file.New(s, disk{}, w)
	t.Cleanup(p.reader.Close)
	return p
}

func (p *place) do(errs ...error) {
	p.Helper()
	for _, err := range errs {
		if err != nil {
			p.Fatal(err)
		}
	}
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) write(name, text string) { p.do(os.WriteFile(p.path(name), []byte(text), 0o600)) }

// swap replaces a file by a rename.
func (p *place) swap(name, text string) {
	p.write(name+"~", text)
	p.do(os.Rename(p.path(name+"~"), p.path(name)))
}

// expect reads, at once and then after each change that is told, until that is what comes.
func (p *place) expect(want string) {
	p.Helper()
	for {
		a := p.reader.Read(p.Context())
		got := ""
		if a.Failure != nil {
			got = string(a.Failure.Reason)
		} else {
			var all []string
			for _, e := range a.Entries {
				all = append(all, e.Address.Addr().String())
			}
			slices.Sort(all)
			got = strings.Join(all, " ")
		}
		if got == want {
			return
		}
		select {
		case <-p.reader.Changed():
		case <-p.Context().Done():
			p.Fatalf("%q (%v), expected %q", got, a.Failure, want)
		}
	}
}

// changed waits until a change is told.
func (p *place) changed() {
	p.Helper()
	select {
	case <-p.reader.Changed():
	case <-p.Context().Done():
		p.Fatal("no change was told")
	}
}

const one, two = `[{"targets": ["10.0.0.1:80"]}]`, `[{"targets": ["10.0.0.2:80"]}]`

func TestRename(t *testing.T) {
	p := newPlace(t, "web.json")
	p.expect("unreadable")
	p.swap("web.json", one)
	p.changed()
	p.expect("10.0.0.1")
	p.swap("web.json", two)
	p.changed()
	p.expect("10.0.0.2")
	p.do(os.Remove(p.path("web.json")))
	p.changed()
	p.expect("unreadable")
	p.write("web.json", "[]")
	p.changed()
	p.expect("")
}

// A file that is half written is no answer, and is read again when it is whole.
func TestHalfWritten(t *testing.T) {
	p := newPlace(t, "web.json")
	p.write("web.json", one[:20])
	p.expect("malformed")
	f, err := os.OpenFile(p.path("web.json"), os.O_APPEND|os.O_WRONLY, 0)
	p.do(err)
	_, err = f.WriteString(one[20:])
	p.do(err, f.Close())
	p.changed()
	p.expect("10.0.0.1")
	p.write("web.json", "")
	p.changed()
	p.expect("malformed")
}

// Kubernetes shows files by way of ..data, a link to a folder that it exchanges.
func TestKubernetesVolume(t *testing.T) {
	p := newPlace(t, "web.yaml")
	version := func(name, text string) {
		p.do(os.Mkdir(p.path(name), 0o755))
		p.write(name+"/web.yaml", text)
		p.do(os.Symlink(name, p.path("..data_tmp")), os.Rename(p.path("..data_tmp"), p.path("..data")))
	}
	version("..2026_01", "- targets: [10.0.0.1:80]\n")
	p.do(os.Symlink("..data/web.yaml", p.path("web.yaml")))
	p.expect("10.0.0.1")
	for len(p.reader.Changed()) > 0 {
		<-p.reader.Changed()
	}
	version("..2026_02", "- targets: [10.0.0.2:80]\n")
	p.changed()
	p.do(os.RemoveAll(p.path("..2026_01")))
	p.expect("10.0.0.2")
}

// A link leads to a file of another folder, which is watched as well.
func TestLink(t *testing.T) {
	p := newPlace(t, "web.json")
	elsewhere := filepath.Join(t.TempDir(), "list")
	p.do(os.WriteFile(elsewhere, []byte(one), 0o600), os.Symlink(elsewhere, p.path("web.json")))
	p.expect("10.0.0.1")
	for len(p.reader.Changed()) > 0 {
		<-p.reader.Changed()
	}
	p.do(os.WriteFile(elsewhere+"~", []byte(two), 0o600), os.Rename(elsewhere+"~", elsewhere))
	p.changed()
	p.expect("10.0.0.2")
}

func TestPattern(t *testing.T) {
	p := newPlace(t, "web*.json", "more.yml")
	p.do(os.Mkdir(p.path("web0.json"), 0o755)) // no file
	p.expect("unreadable")                     // more.yml is not there
	p.write("more.yml", "[]")
	p.changed()
	p.expect("")
	p.swap("web1.json", one)
	p.swap("web2.json", two)
	p.expect("10.0.0.1 10.0.0.2")
	p.do(os.Remove(p.path("web1.json")))
	p.expect("10.0.0.2")
	p.swap("web3.json", "nonsense")
	p.expect("malformed")
}

// A folder that comes later is seen at the next look.
func TestFolderThatComesLater(t *testing.T) {
	p := newPlace(t, "targets/web.json")
	p.expect("unreadable")
	p.do(os.Mkdir(p.path("targets"), 0o755))
	p.write("targets/web.json", one)
	p.expect("10.0.0.1")
	p.do(os.RemoveAll(p.path("targets")))
	p.changed()
	p.expect("unreadable")
	p.do(os.Mkdir(p.path("targets"), 0o755))
	p.expect("unreadable")
	p.write("targets/web.json", two)
	p.changed()
	p.expect("10.0.0.2")
}

// busy has files that are written all the time.
type busy struct{ disk }

func (busy) Stat(context.Context, string) (fs.FileInfo, error) { return justNow{at: time.Now()}, nil }

type justNow struct {
	fs.FileInfo
	at time.Time
}

func (j justNow) ModTime() time.Time { return j.at }
func (j justNow) Size() int64        { return 1 }

// A file that is written without a pause is not read, and the reading ends with its time.
func TestBusyFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := file.New(discover.Source{Kind: discover.KindFile, File: &discover.File{Paths: []string{"/web.json"}}}, busy{}, nil)
		if a := r.Read(ctx); a.Failure == nil || a.Failure.Reason != discover.ReasonTimeout {
			t.Errorf("%+v", a)
		}
	})
}
