// Package rtnl is the real kernel of package hold: addresses and links through
// rtnetlink, announcements through packet sockets.
package rtnl
