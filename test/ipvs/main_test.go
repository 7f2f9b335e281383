package ipvs

import (
	"os"
	"testing"
	"time"

	"usher/test/lab/labtest"
)

var suite labtest.Suite

// limit is how long the machine may run the whole suite; it takes a third of it.
const limit = 20 * time.Minute

func TestMain(m *testing.M) { os.Exit(labtest.IPVS(m, &suite, limit)) }
