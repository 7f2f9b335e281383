package debian

import (
	"slices"
	"strings"
	"testing"
)

// What `apt-cache depends --recurse` says in Debian 12, cut short.
const debian12 = `linux-image-amd64
  Depends: linux-image-6.1.0-48-amd64
linux-image-6.1.0-48-amd64
  Depends: kmod
  Depends: linux-base
 |Depends: initramfs-tools
  Depends: <linux-initramfs-tool>
    dracut
    initramfs-tools
kmod
  Depends: libc6
`

// The same in the form of Ubuntu 24.04: the modules are packages of their own, and
// the kernel has a twin without a signature.
const ubuntu2404 = `linux-image-generic
  Depends: linux-image-6.8.0-60-generic
  Depends: linux-modules-extra-6.8.0-60-generic
  Depends: linux-firmware
  Depends: intel-microcode
  Depends: amd64-microcode
linux-image-6.8.0-60-generic
  Depends: kmod
  Depends: linux-base
  Depends: linux-modules-6.8.0-60-generic
linux-modules-extra-6.8.0-60-generic
 |Depends: linux-image-6.8.0-60-generic
  Depends: linux-image-unsigned-6.8.0-60-generic
  Depends: wireless-regdb
linux-image-unsigned-6.8.0-60-generic
  Depends: kmod
  Depends: linux-base
  Depends: linux-modules-6.8.0-60-generic
linux-modules-6.8.0-60-generic
linux-firmware
`

// A release whose modules are all in one package, and another kernel that something
// drags in.
const later = `linux-image-generic
  Depends: linux-image-6.17.0-5-generic
linux-image-6.17.0-5-generic
  Depends: linux-modules-6.17.0-5-generic
linux-modules-6.17.0-5-generic
linux-image-6.17.0-5-lowlatency
linux-modules-6.17.0-5-lowlatency
`

func TestKernelOf(t *testing.T) {
	for name, c := range map[string]struct {
		depends string
		want    []string
	}{
		"Debian 12":    {debian12, []string{"linux-image-6.1.0-48-amd64"}},
		"Ubuntu 24.04": {ubuntu2404, []string{"linux-image-6.8.0-60-generic", "linux-modules-6.8.0-60-generic", "linux-modules-extra-6.8.0-60-generic"}},
		"one package":  {later, []string{"linux-image-6.17.0-5-generic", "linux-modules-6.17.0-5-generic"}},
		"none":         {"linux-image-generic\n  Depends: <linux-image>\n", nil},
		"nothing":      {"", nil},
	} {
		if got := kernelOf(c.depends); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Another processor is told what the matter is, before anything is fetched.
func TestOtherProcessors(t *testing.T) {
	if err := Supported("amd64"); err != nil {
		t.Error(err)
	}
	if err := Supported("arm64"); err == nil || !strings.Contains(err.Error(), "arm64") || !strings.Contains(err.Error(), "amd64") {
		t.Errorf("arm64: %v", err)
	}
}
