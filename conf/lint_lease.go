package conf

// longLeases warns of leases that end only after peers have taken over.
func (b *builder) longLeases(c *Config) {
	for _, i := range c.Instances {
		if text := i.LongLease(); text != "" {
			b.warn(b.instances[i.Name].at("lease"), "Lease longer than peers wait", text+".")
		}
	}
}
