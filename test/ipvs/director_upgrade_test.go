package ipvs

import (
	"os"
	"testing"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

// An upgrade: the old program stops and leaves IPVS as it is, the new one takes
// it over. The connections of before go on as soon as the VIP is back.
func TestDirectorUpgrade(t *testing.T) {
	t.Parallel()
	for _, forward := range []string{"dr", "tun"} {
		t.Run(forward, func(t *testing.T) {
			s := prepared(t, forward)
			text, err := os.ReadFile(s.file)
			labtest.Must(t, err)
			s.file = labtest.File(t, s.A, "usher.hcl", string(text)+"\nglobal {\n  on_stop = \"keep\"\n}\n")
			s.startA(t)
			before := unchanged(t, s.A)
			load := s.download(t)
			labtest.Must(t, s.a.Stop())
			if held, err := s.A.Holds(lab.VIP.String()); held || err != nil {
				t.Errorf("after the stop the VIP is there: %t, %v", held, err)
			}
			if now := unchanged(t, s.A); now != before {
				t.Errorf("after the stop IPVS has\n%s\nbefore it had\n%s", now, before)
			}
			s.startA(t)
			if now := unchanged(t, s.A); now != before {
				t.Errorf("after the start IPVS has\n%s\nbefore it had\n%s", now, before)
			}
			complete(t, load)
		})
	}
}
