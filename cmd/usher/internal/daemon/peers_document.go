package daemon

import "usher/cmd/usher/internal/peers/share"

// describe is what this director says of itself to others.
func (r *reporter) describe(now snapshot) share.Document {
	d := share.Document{Version: r.version, Started: now.started, Maintenance: now.maintenance}
	if now.vrrp != nil {
		for _, i := range now.vrrp.Status() {
			d.Roles = append(d.Roles, share.Role{
				Instance: i.Name, VirtualRouterID: int(i.VRID), State: i.State.String(), Priority: int(i.EffectivePriority), Since: i.Since,
			})
		}
	}
	return d
}
