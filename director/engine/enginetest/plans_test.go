package enginetest_test

import (
	"testing"

	"usher/director/engine/enginetest"
	"usher/director/ipvstest"
)

func TestPlansOnTheDouble(t *testing.T) {
	for seed := range uint64(8) {
		enginetest.Plans(t, ipvstest.New(), seed, 20)
	}
}
