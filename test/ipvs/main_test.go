package ipvs

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"usher/test/lab"
	"usher/test/lab/labtest"
)

var suite labtest.Suite

// limit is how long the machine may run the whole suite: on two quiet cores it
// takes a quarter of it.
const limit = 30 * time.Minute

func TestMain(m *testing.M) {
	flag.Parse()
	if err := packages(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(labtest.IPVS(m, &suite, limit))
}

// versions are those of the packages that TestInstallUpgrade installs, one after the other.
var versions = []string{"1.0.0", "1.0.1"}

// packages builds them, where the test that wants them runs: before the machine that
// it runs in is booted, which would take long to compile anything.
func packages() error {
	place, _, err := lab.Decide()
	if err != nil || place == lab.Inside {
		return err
	}
	if wanted, err := regexp.MatchString(flag.Lookup("test.run").Value.String(), "TestInstallUpgrade"); err != nil || !wanted {
		return err
	}
	root, err := lab.Root()
	if err != nil {
		return err
	}
	for _, v := range versions {
		if err := lab.Package(context.Background(), root, v); err != nil {
			return err
		}
	}
	return nil
}
