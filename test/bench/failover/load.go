package main

import (
	"fmt"
	"runtime"
	"strings"

	"usher/test/lab"
)

// checked is how many servers are checked each second under load.
const checked = 5000

// startLoad keeps the machine busy until the lab is closed: `usher check` of many
// servers on the backup router, and one spinning process for each core. One is
// enough for all labs: they share the machine.
func startLoad(l *lab.Lab) error {
	var hcl strings.Builder
	fmt.Fprintf(&hcl, `
virtual_server "load" {
  address        = "192.0.2.1:80"
  scheduler      = "rr"
  forward_method = "nat"
  health_check "tcp" {
    interval = "1s"
    timeout  = "900ms"
  }
`)
	for i := range checked {
		fmt.Fprintf(&hcl, "  real_server \"127.%d.%d.%d:%d\" {}\n", 1, i>>8, i&0xff, port)
	}
	hcl.WriteString("}\n")
	file, err := l.B.WriteFile("load.hcl", hcl.String())
	if err != nil {
		return err
	}
	if _, err := l.B.StartUsher("check", "-c", file); err != nil {
		return err
	}
	for range runtime.NumCPU() {
		if _, err := l.B.Start("busy", "sh", "-c", "while :; do :; done"); err != nil {
			return err
		}
	}
	return nil
}
