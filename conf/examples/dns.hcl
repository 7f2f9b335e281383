# Resolvers behind one address, over UDP and TCP. Each UDP packet is scheduled by
# itself; a resolver is in while it answers the right question rightly, and one that
# has become slow gets less.
#
# Both directors of the pair run this file; only the priority differs.

variable "priority" { default = 100 }

locals {
  resolvers = ["10.1.2.3", "10.1.4.5"]
}

vrrp_instance "dns" {
  interface         = "eth0"
  virtual_router_id = 53
  priority          = var.priority
  virtual_addresses = ["192.0.2.53/32"]

  # Without a resolver here, let the other director have the address.
  track_virtual_server "dns-udp" { weight = 0 }
}

dynamic "virtual_server" {
  for_each = ["udp", "tcp"]
  labels   = ["dns-${virtual_server.value}"]
  content {
    address        = "192.0.2.53:53"
    protocol       = virtual_server.value
    scheduler      = "wrr"
    forward_method = "dr"
    one_packet     = virtual_server.value == "udp"

    health_check "dns" {
      question       = "www.example.org"
      type           = "A"
      tcp            = virtual_server.value == "tcp"
      expect_answers = ["192.0.2.80"]
      interval       = "1s"
      fall           = 2
      slow           = "100ms"
      slow_weight    = 20
    }

    dynamic "real_server" {
      for_each = local.resolvers
      labels   = [real_server.value]
      content { weight = 10 }
    }
  }
}
