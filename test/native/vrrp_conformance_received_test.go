package native

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"usher/test/lab/labtest"
)

// tenth is a router of version 3 with adverts every 100 ms.
const tenth = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = 100
  advert_interval   = "100ms"
  virtual_addresses = ["192.168.60.200/32"]
%s
}
`

// second2 is a router of version 2.
const second2 = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  version           = 2
  virtual_addresses = ["192.168.60.200/32"]
%s
}
`

const sixth = `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  advert_interval   = "100ms"
  virtual_addresses = ["fe80::200/64", "fd00:60::200/64"]
}
`

var vips6 = []string{"fe80::200", "fd00:60::200"}

// bad is a packet that has to be discarded, and how it is counted.
type bad struct {
	clause string
	m      message
	reason string
}

// discards says every bad packet three times, each of which would make usher give
// way if it were taken, and checks that it was counted and changed nothing.
func discards(t *testing.T, s *speaker, all []bad) {
	s.await("active")
	said := 0
	defer func() { s.t = t }()
	for _, c := range all {
		t.Run(c.clause, func(t *testing.T) {
			s.t = t
			before := s.status()
			c.m.priority = 200
			s.forget()
			for range 3 {
				s.say(c.m)
			}
			said += 3
			after := s.heardBy(said)
			if n := after.Statistics.Discarded[c.reason] - before.Statistics.Discarded[c.reason]; n != 3 {
				t.Errorf("%d counted as %s, in all %v", n, c.reason, after.Statistics.Discarded)
			}
			if after.State != "active" || after.ActiveRouter != before.ActiveRouter || after.Statistics.Received != before.Statistics.Received {
				t.Errorf("it changed something: %+v, was %+v", after, before)
			}
			// The adverts go on as if nothing had been.
			if h := s.nextAdvert(); h.priority() != 100 {
				t.Errorf("priority %d", h.priority())
			}
		})
	}
}

func set(i int, v byte) func([]byte) []byte {
	return func(b []byte) []byte { b[i] = v; return b }
}

// RFC 9568 section 7.1, IPv4: what MUST be discarded, with errata 8299 and 8301.
func TestConformance_RFC9568_7_1_Discards(t *testing.T) {
	s := conformance(t, fmt.Sprintf(tenth, ""))
	discards(t, s, []bad{
		{"5.1.1.3 TTL 254", message{ttl: 254}, "ip_ttl_error"},
		{"5.1.1.3 TTL 1", message{ttl: 1}, "ip_ttl_error"},
		{"5.2.1 version 2", message{version: 2, interval: time.Second}, "version_error"},
		{"5.2.1 version 4", message{raw: set(0, 0x41)}, "version_error"},
		{"5.2.2 type 2", message{raw: set(0, 0x32)}, "invalid_type"},
		{"5.2.3 another VRID", message{vrid: 52}, "vrid_error"},
		{"5.2.5 Count 0, erratum 8299", message{vips: []string{}}, "packet_length_error"},
		{"7.1 fewer addresses than Count", message{raw: set(3, 2)}, "packet_length_error"},
		{"7.1 more addresses than Count", message{raw: func(b []byte) []byte { return append(b, 1, 2, 3, 4) }}, "packet_length_error"},
		{"7.1 cut off in the header", message{raw: func(b []byte) []byte { return b[:5] }}, "packet_length_error"},
		{"7.1 cut off in an address", message{raw: func(b []byte) []byte { return b[:10] }}, "packet_length_error"},
		{"5.2.7 interval 0, erratum 8301", message{raw: func(b []byte) []byte { b[4], b[5] = 0, 0; return b }}, "interval_error"},
		{"5.2.8 checksum", message{badSum: true}, "checksum_error"},
	})
	// An own source address: Linux drops the packet before anybody sees it.
	s.say(message{priority: 200, src: "192.168.60.2"})
	s.forget()
	s.nextAdvert()
	if h := s.nextAdvert(); h.priority() != 100 {
		t.Errorf("priority %d after a packet with usher's own address", h.priority())
	}
}

// RFC 9568 section 7.1, IPv6, with erratum 8300.
func TestConformance_RFC9568_7_1_DiscardsIPv6(t *testing.T) {
	s := conformance(t, sixth)
	h := s.nextAdvert()
	own := netip.AddrFrom16([16]byte(h.ip[8:24])).String()
	discards(t, s, []bad{
		{"own source", message{src: own, vips: vips6}, "own_source"},
		{"5.1.2.3 hop limit 64", message{src: "fe80::77", vips: vips6, ttl: 64}, "ip_ttl_error"},
		{"5.2.8 checksum", message{src: "fe80::77", vips: vips6, badSum: true}, "checksum_error"},
		{"5.2.1 version 2 over IPv6", message{src: "fe80::77", version: 2, vips: vips6, interval: time.Second}, "version_error"},
		{"5.2.2 type 2", message{src: "fe80::77", vips: vips6, raw: set(0, 0x32)}, "invalid_type"},
		{"5.2.3 another VRID", message{src: "fe80::77", vips: vips6, vrid: 52}, "vrid_error"},
		{"5.2.5 Count 0, erratum 8299", message{src: "fe80::77", vips: []string{}}, "packet_length_error"},
		{"7.1 fewer addresses than Count", message{src: "fe80::77", vips: vips6, raw: set(3, 3)}, "packet_length_error"},
		{"7.1 cut off in an address", message{src: "fe80::77", vips: vips6, raw: func(b []byte) []byte { return b[:30] }}, "packet_length_error"},
		{"5.2.7 interval 0, erratum 8301", message{src: "fe80::77", vips: vips6, raw: func(b []byte) []byte { b[4], b[5] = 0, 0; return b }}, "interval_error"},
	})
	// What is good is taken: section 6.4.3 for each priority, and equal ones by address.
	for _, m := range []message{{priority: 99, src: "fe80::77"}, {priority: 0, src: "fe80::77"}, {priority: 100, src: "fe80::1"}} {
		m.vips = vips6
		before := s.status().Statistics.Received
		s.say(m)
		s.received(before + 1)
		s.await("active")
	}
	s.say(message{src: "fe80::ffff:ffff:ffff:ffff", vips: vips6, priority: 100})
	s.await("backup")
	s.await("active")
	s.say(message{src: "fe80::77", vips: vips6, priority: 101})
	s.await("backup")
}

// RFC 9568 section 7.1: what is discarded changes no timer either. An active router
// advertises on time through a flood of bad packets, and a backup does not wait longer
// for the sake of them.
func TestConformance_RFC9568_7_1_DiscardsChangeNoTimer(t *testing.T) {
	const interval = 100 * time.Millisecond
	s := conformance(t, fmt.Sprintf(tenth, ""))
	flood := []message{{ttl: 254}, {badSum: true}, {version: 2, interval: time.Second}, {raw: set(3, 2)}, {raw: set(0, 0x32)}}
	// pour says them again and again, until ok.
	pour := func(ok func() bool) {
		tick := time.NewTicker(interval / 10)
		defer tick.Stop()
		for !ok() {
			for _, m := range flood {
				m.priority = 200
				s.say(m)
			}
			<-tick.C
		}
	}
	s.await("active")
	timely(t, "the next advert in a flood of bad packets", interval, func() time.Duration {
		s.forget()
		var seen []heard
		pour(func() bool {
			seen = s.adverts()
			return len(seen) == 5
		})
		longest := time.Duration(0)
		for i := 1; i < len(seen); i++ {
			longest = max(longest, seen[i].at.Sub(seen[i-1].at))
		}
		return longest
	})
	timely(t, "the first advert after a flood of bad packets", 3*interval+skewOf(interval), func() time.Duration {
		s.say(message{priority: 200})
		s.await("backup")
		s.forget()
		at := s.say(message{priority: 200})
		pour(func() bool { return len(s.adverts()) > 0 })
		return s.advertAfter(at).at.Sub(at)
	})
}

// RFC 3768 section 7.1: version 2.
func TestConformance_RFC3768_7_1_Discards(t *testing.T) {
	s := conformance(t, fmt.Sprintf(second2, `  authentication {
    type     = "pass"
    password = "secret"
  }`))
	pass := []byte("secret")
	discards(t, s, []bad{
		{"5.2.3 TTL", message{version: 2, interval: time.Second, authType: 1, auth: pass, ttl: 254}, "ip_ttl_error"},
		{"7.1 version 3", message{interval: time.Second}, "version_error"},
		{"5.3.2 type 2", message{version: 2, interval: time.Second, authType: 1, auth: pass, raw: set(0, 0x22)}, "invalid_type"},
		{"5.3.3 another VRID", message{version: 2, vrid: 52, interval: time.Second, authType: 1, auth: pass}, "vrid_error"},
		{"7.1 fewer addresses than Count", message{version: 2, interval: time.Second, authType: 1, auth: pass, raw: set(3, 2)}, "packet_length_error"},
		{"7.1 interval", message{version: 2, interval: 2 * time.Second, authType: 1, auth: pass}, "interval_error"},
		{"5.3.6 no authentication", message{version: 2, interval: time.Second}, "auth_type_mismatch"},
		{"5.3.6 authentication type 2", message{version: 2, interval: time.Second, authType: 2}, "invalid_auth_type"},
		{"RFC 2338 5.3.6.2 wrong password", message{version: 2, interval: time.Second, authType: 1, auth: []byte("Secret")}, "auth_failure"},
		{"7.1 without authentication data", message{version: 2, interval: time.Second, authType: 1, auth: pass, raw: func(b []byte) []byte { return b[:12] }}, "packet_length_error"},
		{"5.3.8 checksum", message{version: 2, interval: time.Second, authType: 1, auth: pass, badSum: true}, "checksum_error"},
	})
	s.say(message{version: 2, interval: time.Second, authType: 1, auth: pass, priority: 101})
	s.await("backup")
}

// Unicast: adverts of strangers, and of peers from too near or too far, are not
// heard; multicast is not either.
func TestConformance_Unicast_Discards(t *testing.T) {
	s := conformance(t, fmt.Sprintf(tenth, `  unicast {
    peers = ["192.168.60.77"]
    peer "192.168.60.78" {
      min_ttl = 250
      max_ttl = 254
    }
  }`))
	mac := usherMAC(s)
	s.await("active")
	s.say(message{src: "192.168.60.79", dst: "192.168.60.2", mac: mac, priority: 200})
	if got := s.heardBy(1); got.Statistics.Discarded["unknown_peer"] != 1 || got.State != "active" {
		t.Errorf("a stranger: %+v", got)
	}
	for i, ttl := range []byte{249, 255} {
		s.say(message{src: "192.168.60.78", dst: "192.168.60.2", mac: mac, priority: 200, ttl: ttl})
		if got := s.heardBy(2 + i); got.Statistics.Discarded["peer_ttl_error"] != 1+i || got.State != "active" {
			t.Errorf("a peer with TTL %d: %+v", ttl, got)
		}
	}
	s.say(message{priority: 200})
	s.say(message{dst: "192.168.60.2", mac: mac, priority: 101, ttl: 9, interval: 2 * time.Second})
	s.await("backup")
	if got := s.status(); got.ActiveRouter != peerAddress {
		t.Errorf("active router %s", got.ActiveRouter)
	}
}

// A differing address list is no reason to discard in version 2 either: RFC 3768
// section 7.1 allows it, and two routers that did so would both be active.
func TestConformance_RFC3768_7_1_OtherAddresses(t *testing.T) {
	s := conformance(t, fmt.Sprintf(second2, ""))
	s.await("active")
	s.say(message{version: 2, priority: 101, vips: []string{"192.168.60.201", "192.168.60.202"}, interval: time.Second})
	s.await("backup")
	if got := s.status(); got.Statistics.Mismatches != 1 || len(got.Statistics.Discarded) != 0 {
		t.Errorf("counted %+v", got.Statistics)
	}
}

// A differing address list, and a differing interval, are no reason to discard in
// version 3 (RFC 9568 section 7.1).
func TestConformance_RFC9568_7_1_OtherAddressesAndInterval(t *testing.T) {
	s := conformance(t, fmt.Sprintf(tenth, ""))
	s.await("active")
	s.say(message{priority: 101, vips: []string{"192.168.60.201", "192.168.60.202"}, interval: 2 * time.Second})
	s.await("backup")
	if got := s.status(); got.Statistics.Mismatches != 1 || len(got.Statistics.Discarded) != 0 {
		t.Errorf("counted %+v", got.Statistics)
	}
}

// RFC 9568 section 5.2.8 and RFC 5798: both forms of the checksum are accepted; the
// form without a pseudo-header is sent once it has been heard, not before.
func TestConformance_RFC9568_5_2_8_BothChecksums(t *testing.T) {
	s := timed(t, fmt.Sprintf(tenth, ""))
	s.await("active")
	if form := checksumForm(t, s.nextAdvert()); form != "pseudo-header" {
		t.Errorf("the first advert has the form %s", form)
	}
	s.say(message{priority: 99, rfc9568: true})
	s.heardBy(1)
	s.forget()
	if form := checksumForm(t, s.nextAdvert()); form != "message only" {
		t.Errorf("after the other form was heard: %s", form)
	}
	s.say(message{priority: 101})
	s.await("backup")
}

func checksumForm(t *testing.T, h heard) string {
	t.Helper()
	if internetSum(h.msg) == 0 {
		return "message only"
	}
	covered := append(append([]byte{}, h.ip[12:20]...), 0, 112, 0, byte(len(h.msg)))
	if internetSum(append(covered, h.msg...)) != 0 {
		t.Errorf("a checksum of no form: % x", h.msg)
	}
	return "pseudo-header"
}

func usherMAC(s *speaker) (mac []byte) {
	s.t.Helper()
	labtest.Must(s.t, s.lab.A.Do(func() error {
		i, err := netInterface("eth0")
		mac = i
		return err
	}))
	return mac
}
