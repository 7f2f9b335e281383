vrrp_instance "network" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.168.60.7/24", "192.168.60.0/24"]
}

vrrp_instance "broadcast" {
  interface         = "eth0"
  virtual_router_id = 52
  virtual_address "192.168.60.255/24" {}
  virtual_address "192.168.60.8/24" { label = "a label that is too long" }
  virtual_address "eth0" {}
}

vrrp_instance "none" {
  interface         = "eth0"
  virtual_router_id = 53
}

vrrp_instance "twice" {
  interface         = "eth0"
  virtual_router_id = 54
  virtual_addresses = ["192.168.60.7/32", "192.168.60.9/32", "192.168.60.9/32"]
}
