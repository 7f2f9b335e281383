package native

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"usher/test/lab"
)

func netInterface(name string) ([]byte, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	return i.HardwareAddr, nil
}

// lateness is what may lie between a deadline and the frame that is seen, and tries how
// often a busy machine may be given another chance at it.
const (
	lateness = 60 * time.Millisecond
	tries    = 6
)

// timely measures how long something takes until it took what the protocol says:
// too early is wrong at once, too late if it is late every time.
func timely(t *testing.T, what string, want time.Duration, measure func() time.Duration) {
	t.Helper()
	var late []time.Duration
	for range tries {
		got := measure()
		if got < want-time.Millisecond {
			t.Errorf("%s after %v, want %v: too early", what, got, want)
		}
		if got <= want+lateness {
			return
		}
		late = append(late, got)
	}
	t.Errorf("%s after %v, want %v", what, late, want)
}

// skewOf is Skew_Time of a router of priority 100.
func skewOf(interval time.Duration) time.Duration { return 156 * interval / 256 }

// RFC 9568 section 5.1.1: what stands in the headers; section 7.2: the fields.
func TestConformance_RFC9568_5_1_1_Sent(t *testing.T) {
	s := conformance(t, fmt.Sprintf(tenth, `  virtual_address "192.168.60.201/32" { excluded = true }`))
	h := s.nextAdvert()
	if h.ip[8] != 255 || h.ip[9] != 112 || h.ip[1] != 0xc0 || netip.AddrFrom4([4]byte(h.ip[16:20])).String() != "224.0.0.18" ||
		netip.AddrFrom4([4]byte(h.ip[12:16])) != lab.AddrA || internetSum(h.ip) != 0 {
		t.Errorf("IP header % x", h.ip)
	}
	if net.HardwareAddr(h.eth[:6]).String() != "01:00:5e:00:00:12" || string(h.eth[6:12]) != string(usherMAC(s)) {
		t.Errorf("Ethernet header % x", h.eth)
	}
	want := []byte{0x31, 51, 100, 1, 0, 10}
	if string(h.msg[:6]) != string(want) || len(h.msg) != 12 || netip.AddrFrom4([4]byte(h.msg[8:12])) != lab.VIP {
		t.Errorf("message % x", h.msg)
	}
	s.next("a gratuitous ARP for what is excluded from the adverts", func(h heard) bool { return h.announce.String() == "192.168.60.201" })
}

// Other groups than those of RFC 9568 sections 5.1.1.2 and 5.1.2.2: adverts go there, and
// those that come there are heard, but no others.
func TestConformance_OtherGroups(t *testing.T) {
	s := conformance(t, fmt.Sprintf(tenth, `  multicast_group4 = "224.0.0.200"
  multicast_group6 = "ff02::200"
  virtual_address "fe80::60:200/64" {}`))
	for group, mac := range map[string]string{"224.0.0.200": "01:00:5e:00:00:c8", "ff02::200": "33:33:00:00:02:00"} {
		six := strings.Contains(group, ":")
		h := s.next("an advertisement", func(h heard) bool { return h.msg != nil && len(h.ip) == 40 == six })
		dst := netip.AddrFrom4([4]byte(h.ip[16:20]))
		if six {
			dst = netip.AddrFrom16([16]byte(h.ip[24:40]))
		}
		if dst.String() != group || net.HardwareAddr(h.eth[:6]).String() != mac {
			t.Errorf("sent to %s, %s; want %s, %s", dst, net.HardwareAddr(h.eth[:6]), group, mac)
		}
	}
	s.await("active")
	s.say(message{priority: 200})
	s.say(message{priority: 201, dst: "224.0.0.200", interval: 2 * time.Second})
	s.await("backup")
	s.say(message{priority: 0, dst: "224.0.0.200", interval: 2 * time.Second})
	s.await("active")
	s.say(message{priority: 202, dst: "ff02::200", src: "fe80::77", vips: []string{"fe80::60:200"}, interval: 2 * time.Second})
	s.await("backup")
	if got := s.status(); got.Statistics.Received != 3 {
		t.Errorf("%d adverts were heard, want those of its groups", got.Statistics.Received)
	}
}

// RFC 9568 section 5.1.2: over IPv6 from a link-local address, with hop limit 255, to ff02::12,
// the link-local address first (section 5.2.9).
func TestConformance_RFC9568_5_1_2_Sent(t *testing.T) {
	s := conformance(t, sixth)
	h := s.nextAdvert()
	src, dst := netip.AddrFrom16([16]byte(h.ip[8:24])), netip.AddrFrom16([16]byte(h.ip[24:40]))
	if h.ip[7] != 255 || !src.IsLinkLocalUnicast() || dst.String() != "ff02::12" || net.HardwareAddr(h.eth[:6]).String() != "33:33:00:00:00:12" {
		t.Errorf("headers % x % x", h.eth, h.ip)
	}
	if h.msg[3] != 2 || netip.AddrFrom16([16]byte(h.msg[8:24])).String() != "fe80::200" {
		t.Errorf("message % x", h.msg)
	}
	covered := append(append([]byte{}, h.ip[8:40]...), 0, 112, 0, byte(len(h.msg)))
	if internetSum(append(covered, h.msg...)) != 0 {
		t.Errorf("checksum of % x", h.msg)
	}
	na := s.next("a neighbour advertisement", func(h heard) bool { return h.announce.String() == "fd00:60::200" })
	if dst := netip.AddrFrom16([16]byte(na.ip[24:40])).String(); dst != "ff02::1" || na.ip[7] != 255 {
		t.Errorf("announced to %s, hop limit %d", dst, na.ip[7])
	}
	// Section 8.2.2: Router and Override set, Solicited clear; the target link-layer address.
	if want := append([]byte{2, 1}, na.eth[6:12]...); na.na[4] != 0xa0 || string(na.na[24:]) != string(want) {
		t.Errorf("announced with flags %x and options % x, want % x", na.na[4], na.na[24:], want)
	}
}

// RFC 3768 section 5.3: version 2 with its authentication data.
func TestConformance_RFC3768_5_3_Sent(t *testing.T) {
	s := conformance(t, fmt.Sprintf(second2, `  authentication {
    type     = "pass"
    password = "secret"
  }`))
	h := s.nextAdvert()
	want := append([]byte{0x21, 51, 100, 1, 1, 1}, h.msg[6:12]...)
	want = append(want, "secret\x00\x00"...)
	if string(h.msg) != string(want) || internetSum(h.msg) != 0 {
		t.Errorf("message % x", h.msg)
	}
}

// RFC 9568 section 7.3: with a virtual MAC adverts come from it.
func TestConformance_RFC9568_7_3_VirtualMAC(t *testing.T) {
	s := conformance(t, fmt.Sprintf(tenth, "  virtual_mac = true"))
	if h := s.nextAdvert(); net.HardwareAddr(h.eth[6:12]).String() != "00:00:5e:00:01:33" {
		t.Errorf("from % x", h.eth[6:12])
	}
	h := s.next("a gratuitous ARP", func(h heard) bool { return h.announce == lab.VIP })
	if net.HardwareAddr(h.eth[6:12]).String() != "00:00:5e:00:01:33" {
		t.Errorf("announced from % x", h.eth[6:12])
	}
}

// RFC 9568 sections 7.3 and 8.2.2: the same over IPv6.
func TestConformance_RFC9568_7_3_VirtualMACIPv6(t *testing.T) {
	s := conformance(t, strings.Replace(sixth, "virtual_router_id", "virtual_mac = true\n  virtual_router_id", 1))
	const want = "00:00:5e:00:02:33"
	if h := s.nextAdvert(); net.HardwareAddr(h.eth[6:12]).String() != want {
		t.Errorf("from % x", h.eth[6:12])
	}
	h := s.next("a neighbour advertisement", func(h heard) bool { return h.announce.String() == "fd00:60::200" })
	if net.HardwareAddr(h.eth[6:12]).String() != want {
		t.Errorf("announced from % x", h.eth[6:12])
	}
}

// RFC 9568 section 6.4.2: the down timer is Active_Down_Interval from the last advert,
// of the interval that the active router has; the first advert goes before the
// first announcement.
func TestConformance_RFC9568_6_4_2_ActiveDownInterval(t *testing.T) {
	s := timed(t, fmt.Sprintf(tenth, ""))
	for _, interval := range []time.Duration{100 * time.Millisecond, 250 * time.Millisecond} {
		timely(t, fmt.Sprintf("the first advert at an interval of %v", interval), 3*interval+skewOf(interval), func() time.Duration {
			s.say(message{priority: 200, interval: interval})
			s.await("backup")
			s.forget()
			at := s.say(message{priority: 200, interval: interval})
			h := s.advertAfter(at)
			if garp := s.next("a gratuitous ARP", func(h heard) bool { return h.announce == lab.VIP }); garp.at.Before(h.at) {
				t.Errorf("announced %v before the first advert", h.at.Sub(garp.at))
			}
			s.await("active")
			return h.at.Sub(at)
		})
	}
}

// RFC 9568 section 6.4.2: priority 0 is answered after Skew_Time.
func TestConformance_RFC9568_6_4_2_PriorityZero(t *testing.T) {
	s := timed(t, fmt.Sprintf(tenth, ""))
	timely(t, "the first advert", skewOf(time.Second), func() time.Duration {
		s.say(message{priority: 200, interval: time.Second})
		s.await("backup")
		s.say(message{priority: 200, interval: time.Second})
		s.forget()
		at := s.say(message{priority: 0, interval: time.Second})
		return s.advertAfter(at).at.Sub(at)
	})
}

// RFC 9568 section 6.4.2: a lower priority is discarded, the timer runs on; with
// Preempt_Mode false it is obeyed.
func TestConformance_RFC9568_6_4_2_LowerPriority(t *testing.T) {
	const interval = 100 * time.Millisecond
	for _, preempt := range []bool{true, false} {
		t.Run(fmt.Sprintf("preempt=%t", preempt), func(t *testing.T) {
			s := timed(t, fmt.Sprintf(tenth, fmt.Sprintf("  preempt = %t", preempt)))
			timely(t, "the first advert", 3*interval+skewOf(interval), func() time.Duration {
				s.say(message{priority: 200})
				s.await("backup")
				s.forget()
				first := s.say(message{priority: 200})
				last := first
				tick := time.NewTicker(interval / 2)
				defer tick.Stop()
				for time.Since(first) < 3*interval {
					<-tick.C
					before := last
					if last = s.say(message{priority: 99}); last.Sub(before) > 2*interval {
						return time.Hour // this machine was too busy to keep usher down
					}
				}
				if preempt {
					return s.advertAfter(first).at.Sub(first)
				}
				return s.advertAfter(last).at.Sub(last)
			})
		})
	}
}

// RFC 9568 section 6.4.3: what an active router does with each advert.
func TestConformance_RFC9568_6_4_3_Active(t *testing.T) {
	const interval = time.Second
	s := timed(t, strings.Replace(fmt.Sprintf(tenth, ""), "100ms", "1s", 1))
	s.await("active")
	answered := func(what string, m message) {
		t.Helper()
		m.interval = interval
		timely(t, what, 0, func() time.Duration {
			s.nextAdvert()
			s.forget()
			at := s.say(m)
			h := s.advertAfter(at)
			if h.priority() != 100 {
				t.Errorf("%s: priority %d", what, h.priority())
			}
			return h.at.Sub(at)
		})
		s.await("active")
	}
	answered("the answer to priority 0", message{priority: 0})
	answered("the answer to a lower priority", message{priority: 99})
	answered("the answer to an equal one from a lower address", message{priority: 100, src: "192.168.60.1"})
	s.next("announced again after the contest", func(h heard) bool { return h.announce == lab.VIP })

	// An equal priority from a higher address, and a higher priority, win.
	for _, m := range []message{{priority: 100}, {priority: 101, src: "192.168.60.1"}} {
		m.interval = interval
		timely(t, "taking over again", 3*interval+skewOf(interval), func() time.Duration {
			at := s.say(m)
			s.await("backup")
			h := s.advertAfter(at)
			s.await("active")
			return h.at.Sub(at)
		})
	}
}

// RFC 9568 section 6.4.3: beaten, an active router says nothing more and holds no address.
func TestConformance_RFC9568_6_4_3_Beaten(t *testing.T) {
	s := conformance(t, fmt.Sprintf(tenth, ""))
	s.await("active")
	s.say(message{priority: 101, interval: 2 * time.Second})
	s.await("backup")
	if err := s.lab.A.AwaitVIP(t.Context(), false); err != nil {
		t.Error(err)
	}
	s.quiet(time.Second)
}

// A network that was cut and comes back: the loser took over from a router that had
// fallen silent; its resignation makes the winner advertise and announce again, as
// section 6.4.3 has an active router do on priority 0.
func TestConformance_RFC9568_6_4_3_CutNetwork(t *testing.T) {
	s := timed(t, fmt.Sprintf(tenth, ""))
	s.await("active") // it listens: what is said from here on is heard
	s.say(message{priority: 200})
	s.await("backup")
	s.await("active")
	s.forget()
	s.say(message{priority: 200, interval: 2 * time.Second})
	s.next("a resignation", func(h heard) bool { return h.msg != nil && h.priority() == 0 })
	s.await("backup")
}

// RFC 9568 section 6.4.3, Shutdown: priority 0, then the addresses go.
func TestConformance_RFC9568_6_4_3_Shutdown(t *testing.T) {
	s := conformance(t, "")
	p := run(t, s.lab.A, 100)
	s.await("active")
	s.forget()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	s.next("a resignation", func(h heard) bool { return h.msg != nil && h.priority() == 0 })
}

// RFC 9568 section 6.4.1: the owner is active at once; erratum 8298: a second owner
// is not ignored, the higher address wins.
func TestConformance_RFC9568_6_4_1_Owner(t *testing.T) {
	s := conformance(t, `
vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = 255
  advert_interval   = "1s"
  lease             = "0s"
  virtual_addresses = ["192.168.60.2/24"]
}
`)
	if h := s.nextAdvert(); h.priority() != 255 {
		t.Errorf("priority %d", h.priority())
	}
	s.await("active")
	s.say(message{priority: 255, src: "192.168.60.1", interval: time.Second})
	s.heardBy(1)
	s.await("active")
	s.say(message{priority: 255, interval: time.Second})
	s.await("backup")
}
