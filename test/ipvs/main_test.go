package ipvs

import (
	"os"
	"testing"
	"time"

	"usher/test/lab/labtest"
)

var suite labtest.Suite

// limit is how long the machine may run the whole suite: on two quiet cores it
// takes a quarter of it.
const limit = 30 * time.Minute

func TestMain(m *testing.M) { os.Exit(labtest.IPVS(m, &suite, limit)) }
