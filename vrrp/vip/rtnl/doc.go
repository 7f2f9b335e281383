// Package rtnl is the real kernel of package vip: addresses and links through
// rtnetlink, announcements through packet sockets, settings by sysctl.
//
//	kernel, err := rtnl.Open()
//	defer kernel.Close()
//	manager := vip.New(vip.Options{Kernel: kernel})
package rtnl
