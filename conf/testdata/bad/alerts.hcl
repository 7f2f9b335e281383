global {
  http    = "9765"
  control = ""
  webhook "alerts.example.org" {
    secret      = "a"
    secret_file = "b"
  }
  email {
    server        = "mail.example.org"
    from          = "usher@example.org"
    to            = []
    password_file = "no-such-file"
  }
  ipvs {
    tcp_timeout = "1500ms"
    sync {
      interface = "eth0"
      instance  = "web"
      id        = 256
      group     = "192.0.2.1"
    }
  }
}

global {}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.168.60.200/32"]
  notify {
    command = ["/etc/usher/notify"]
    on      = ["master", "backup"]
  }
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 52
  virtual_addresses = ["192.168.60.201/32"]
}
