// Package conftest has, for tests, a configuration with every kind of block and another
// valid value of every key of it, so that a test can see what the change of each key does:
// to what conf builds of it, to adverts, to the kernel's table.
//
//	for _, c := range conftest.Changes(t, func(blocks []string) bool { return blocks[0] == "vrrp_instance" }) {
//		compare(c.Before[conftest.Active], c.After[conftest.Active])
//	}
package conftest
