package ipvstest_test

import (
	"testing"

	"usher/director"
	"usher/director/ipvstest"
)

func TestDoubleFulfilsTheContract(t *testing.T) {
	ipvstest.Contract(t, func(*testing.T) director.Kernel { return ipvstest.New() })
}

func TestPlansOnTheDouble(t *testing.T) {
	for seed := range uint64(8) {
		ipvstest.Plans(t, ipvstest.New(), seed, 20)
	}
}
