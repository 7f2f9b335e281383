// Package packet is the codec of VRRP advertisements: version 2 (RFC 3768, with
// the simple text authentication of RFC 2338) and version 3 (RFC 9568) over IPv4
// and IPv6. It knows the message alone; what stands in the IP header is given.
//
//	payload := packet.Append(nil, packet.Advert{Version: 3, VRID: 51, Priority: 100, Interval: time.Second, Addresses: vips}, src, dst, packet.FormMessage)
//	advert, form, discard := packet.Parse(payload, src, dst) // discard is "" for a valid one
package packet
