package native

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/test/lab/labtest"
)

// TestReloadLeavesOthersOnTime: a reload that adds an instance, one that changes it and
// one that removes it leave the other in its state, and its advertisements on time.
func TestReloadLeavesOthersOnTime(t *testing.T) {
	const interval = 100 * time.Millisecond
	web := fmt.Sprintf(tenth, "")
	mail := strings.NewReplacer(`"web"`, `"mail"`, "51", "52", "200", "201").Replace(web)
	s := timed(t, web)
	s.await("active")
	transitions := func() int {
		t.Helper()
		is, err := s.lab.A.Status(t.Context())
		labtest.Must(t, err)
		return is.Instances[0].Transitions
	}
	before := transitions()
	timely(t, "the longest pause between two adverts over three reloads", interval, func() (longest time.Duration) {
		ofWeb := func() time.Time {
			return s.next("an advertisement of web", func(h heard) bool { return h.msg != nil && h.msg[1] == 51 }).at
		}
		s.forget()
		last := ofWeb()
		for _, text := range []string{web + mail, web + strings.Replace(mail, "= 100\n", "= 50\n", 1), web} {
			labtest.File(t, s.lab.A, "usher.hcl", text)
			_, err := s.lab.A.Usher(t.Context(), "reload")
			labtest.Must(t, err)
		}
		for over := time.Now(); !last.After(over); {
			at := ofWeb()
			longest, last = max(longest, at.Sub(last)), at
		}
		return longest
	})
	if now := transitions(); now != before {
		t.Errorf("%d transitions, %d before the reloads", now, before)
	}
}
