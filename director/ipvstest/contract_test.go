package ipvstest_test

import (
	"testing"

	"usher/director"
	"usher/director/ipvstest"
)

func TestDoubleFulfilsTheContract(t *testing.T) {
	ipvstest.Contract(t, func(*testing.T) director.Kernel { return ipvstest.New() })
}
