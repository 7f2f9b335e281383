// Package sysctl reads and writes the kernel settings of this network namespace.
package sysctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// System is the kernel's own settings under /proc/sys.
type System struct{}

// path gives the file of a name such as "net.ipv4.ip_forward". An interface name
// with a dot in it is written with a slash instead, as sysctl(8) does.
func path(name string) string {
	swap := strings.NewReplacer(".", "/", "/", ".")
	return filepath.Join("/proc/sys", swap.Replace(name))
}

// Get gives a setting's value.
func (System) Get(name string) (string, error) {
	b, err := os.ReadFile(path(name))
	if err != nil {
		return "", fmt.Errorf("sysctl: read %s: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Set writes a setting.
func (System) Set(name, value string) error {
	// O_CREATE would fail with a less telling error on a setting that is not there.
	f, err := os.OpenFile(path(name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("sysctl: set %s: %w", name, err)
	}
	_, err = f.WriteString(value)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("sysctl: set %s to %s: %w", name, value, err)
	}
	return nil
}
