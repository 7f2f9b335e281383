package terminal_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"usher/cmd/usher/internal/terminal"
)

// TestColumnsLineUpInColour: escape sequences are not seen and must not count.
func TestColumnsLineUpInColour(t *testing.T) {
	table := func(s terminal.Style) string {
		tab := terminal.Table{Indent: "  "}
		tab.Row("NAME", "STATE", "REASON")
		tab.Row("web", s.State("up"), "")
		tab.Row("mail", s.State("draining"), "asked")
		return tab.String()
	}
	plain := table(terminal.Style{})
	if want := "  NAME  STATE     REASON\n  web   up\n  mail  draining  asked\n"; plain != want {
		t.Errorf("got\n%s\nwant\n%s", plain, want)
	}
	coloured := table(terminal.Style{On: true})
	stripped := strings.NewReplacer("\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(coloured)
	if coloured == plain || stripped != plain {
		t.Errorf("coloured table differs in more than colour:\n%q", coloured)
	}
}

func TestAgo(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		ago  time.Duration
		want string
	}{
		{0, "0s"}, {-time.Second, "0s"}, {59 * time.Second, "59s"}, {61 * time.Second, "1m01s"},
		{3*time.Hour + 4*time.Minute, "3h04m"}, {50 * time.Hour, "2d02h"},
	} {
		if got := terminal.Ago(now, now.Add(-c.ago)); got != c.want {
			t.Errorf("%v: %s, want %s", c.ago, got, c.want)
		}
	}
	if got := terminal.Ago(now, time.Time{}); got != "-" {
		t.Errorf("unknown time: %s", got)
	}
}

func TestAmount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 9999: "9999", 12345: "12.3k", 99_949: "99.9k", 999_499: "999k", 999_500: "1M", 999_999: "1M", 4_000_000: "4M", 18446744073709551615: "18.4E"} {
		if got := terminal.Amount(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if terminal.Is(f) || terminal.Colours(f, func(string) string { return "" }) || terminal.Height(f) != 0 {
		t.Error("a plain file was taken for a terminal")
	}
}
