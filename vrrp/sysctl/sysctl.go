// Package sysctl reads and writes the kernel settings of this network namespace, as
// sysctl(8) does: the one place that knows of /proc/sys. Every part of the program may
// import it.
//
//	value, err := sysctl.Get("net.ipv4.ip_forward")
//	err = sysctl.Set("net/ipv4/conf/eth0.7/arp_ignore", "1")
package sysctl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// System is the kernel's own settings as a value, for who takes them as an interface.
type System struct{}

// Get is the function Get.
func (System) Get(name string) (string, error) { return Get(name) }

// Set is the function Set.
func (System) Set(name, value string) error { return Set(name, value) }

var swap = strings.NewReplacer(".", "/", "/", ".")

// path gives the file of a name such as "net.ipv4.ip_forward". The first dot or slash in
// it is what separates; in a name that separates by dots, the name of an interface that
// has one is written with a slash there, and the other way round.
func path(name string) string {
	if at := strings.IndexAny(name, "./"); at >= 0 && name[at] == '.' {
		name = swap.Replace(name)
	}
	return filepath.Join("/proc/sys", name)
}

// Get gives a setting's value, without the line's end. One that this kernel, or its
// network namespace, does not have is fs.ErrNotExist.
func Get(name string) (string, error) {
	b, err := os.ReadFile(path(name))
	if err != nil {
		return "", fmt.Errorf("sysctl: read %s: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Set writes a setting. One that is not there is fs.ErrNotExist.
func Set(name, value string) error {
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

// Has says whether the kernel has a setting, or any of a group, as "net.ipv6.conf".
func Has(name string) bool {
	_, err := os.Stat(path(name))
	return err == nil
}

// Boot tells one run of the machine from another: it differs after each boot. It is ""
// where the machine does not say.
func Boot() string {
	id, err := Get("kernel.random.boot_id")
	if err != nil {
		return ""
	}
	return id
}
