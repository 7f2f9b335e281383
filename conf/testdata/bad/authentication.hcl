vrrp_instance "two-kinds" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.0.2.1/32"]
  authentication {
    type     = "hmac"
    password = "simple"
    mode     = "strict"
    window   = "1500ms"
    key "1" { secret = "too short" }
    key "256" { secret = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" }
  }
}

vrrp_instance "no-active-key" {
  interface         = "eth0"
  virtual_router_id = 52
  virtual_addresses = ["192.0.2.2/32"]
  authentication {
    type = "hmac"
    key "1" { secret = "hex:0001020304050607 08090a0b0c0d0e0f 1011121314151617 18191a1b1c1d1e1" }
    key "2" { secret = "HEX:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" }
    key "3" { secret = "file:/etc/keepalived/keys/the-third-of-them" }
    key "4" { secret = "a secret with a blank at its very end " }
    key "5" {}
    key "6" { secret = file("no-such-file") }
    key "7" { secret = credential("../shadow") }
    key "8" { secret = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g" }
    key "9" { secret = "a secret with an umlaut in it: ä, and more" }
  }
}

vrrp_instance "unknown-key" {
  interface         = "eth0"
  virtual_router_id = 53
  virtual_addresses = ["192.0.2.3/32"]
  authentication {
    type       = "hmac"
    active_key = 2
    key "1" { secret = "a secret that is as long as it must be" }
    key "01" { secret = "another secret, as long as it must be" }
  }
}

vrrp_instance "none" {
  interface         = "eth0"
  virtual_router_id = 54
  virtual_addresses = ["192.0.2.4/32"]
  authentication {
    type       = "hmac"
    active_key = 1
  }
}

vrrp_instance "pass" {
  interface         = "eth0"
  virtual_router_id = 55
  version           = 2
  virtual_addresses = ["192.0.2.5/32"]
  authentication {
    type        = "pass"
    password    = "simple"
    anti_replay = "time"
    key "1" { secret = "a secret that is as long as it must be" }
  }
}
