global {
  manage_sysctls = "maybe"
  log = "debug"
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = true
  priority          = 100.5
  advert_interval   = 1
  preempt_delay     = "soon"
  lease             = "2"
  virtual_addresses = "192.168.60.200/32"
  source4           = "192.168.60.2/24"
}

vrrp_instance "old" {
  interface         = "eth0"
  virtual_router_id = 52
  virtual_addresses = ["192.168.60.201", "192.168.60.999", ["192.168.60.203"]]
  witness {
    ping = [true, "10.0.0.1"]
  }
}

virtual_server "web" {
  address     = "192.168.60.200:80"
  min_healthy = 1.5
  persistence = "1500ms"
  real_server "10.1.2.3:80" { weight = "heavy" }
  health_check "http" {
    headers = ["Host"]
    expect_json = { a = [1] }
  }
}
