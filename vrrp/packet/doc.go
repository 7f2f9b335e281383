// Package packet is the codec of VRRP advertisements: version 2 (RFC 3768, with
// the simple text authentication of RFC 2338) and version 3 (RFC 9568) over IPv4
// and IPv6. It knows the message alone; what stands in the IP header is given.
package packet
