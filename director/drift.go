package director

import (
	"fmt"
	"net/netip"
	"time"

	"usher/director/ipvs"
)

// Drift tells of each difference between how services were left in the kernel and how they
// were found. name gives the virtual server of a service.
func Drift(left, found ipvs.Table, name func(ipvs.ServiceKey) string, now time.Time) (events []Event) {
	gone := map[ipvs.ServiceKey]bool{}
	for _, op := range Plan(left, found) {
		e := Event{Time: now, Kind: EventDrift, VirtualServer: name(op.Key)}
		if op.Dest.Address.IsValid() {
			e.RealServer = netip.AddrPortFrom(op.Dest.Address, op.Dest.Port)
		}
		h := found[op.Key]
		switch op.Kind {
		case ipvs.AddService:
			gone[op.Key] = true
			e.Reason = fmt.Sprintf("service %s was removed by somebody else", op.Key)
		case ipvs.EditService:
			e.From, e.To = h.Service.String(), op.Service.String()
			e.Reason = fmt.Sprintf("service %s was edited by somebody else", op.Key)
		case ipvs.AddDestination:
			if gone[op.Key] {
				continue
			}
			e.Reason = fmt.Sprintf("%s was removed from %s by somebody else", op.Dest, op.Key)
		case ipvs.EditDestination:
			e.From, e.To = h.Destinations[op.Dest].String(), op.Destination.String()
			e.Reason = fmt.Sprintf("%s in %s was edited by somebody else", op.Dest, op.Key)
		case ipvs.DelDestination:
			e.Reason = fmt.Sprintf("%s was added to %s by somebody else", op.Dest, op.Key)
		}
		events = append(events, e)
	}
	return events
}
