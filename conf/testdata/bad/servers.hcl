virtual_server "twice" {
  address = "192.168.60.200:80"
  real_server "10.1.2.3:80" {}
  real_server "10.1.4.5:80" {}
  real_server "10.1.2.3:80" {}
  sorry_server "10.1.4.5:80" {}
}

virtual_server "port" {
  address = "192.168.60.200:70000"
  real_server "10.1.2.3:80" {}
  real_server "10.1.2.4:70000" {}
}

virtual_server "dr" {
  address        = "192.168.60.200:81"
  forward_method = "dr"
  real_server "10.1.2.3:80" {}
  real_server "10.1.2.4" {}
  real_server "10.1.2.5:80" { forward_method = "nat" }
}

virtual_server "same" {
  address = "192.168.60.200:81"
  real_server "web1.example.org:80" {}
}

virtual_server "six" {
  address = "2001:db8::1:80"
  real_server "[2001:db8::2:80" {}
}

virtual_server "empty" {
  address = "192.168.60.200:82"
}

virtual_server "mark" {
  fwmark   = 7
  protocol = "tcp"
  real_server "10.1.2.3:80" {}
}

virtual_server "nothing" {
  quorum = 3
  real_server "10.1.2.3:80" {}
}

virtual_server "quorum" {
  address = "192.168.60.200:83"
  quorum = 3
  real_server "10.1.2.3:80" {}
}

virtual_server "flags" {
  address         = "192.168.60.10-5:84"
  scheduler       = "sh"
  scheduler_flags = ["sh-port", "mh-port"]
  persistence_netmask = "255.0.255.0"
  real_server "10.1.2.3:80" {}
}

virtual_server "out of range" {
  fwmark      = 0
  family      = "ipv4"
  persistence = "-1s"
  real_server "10.1.2.3:80" {}
}
