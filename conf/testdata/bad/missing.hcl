vrrp_instance "web" {
  priority = 100
  track_script "haproxy" {}
  authentication {
    type = "pass"
  }
}

global {
  remote {
    listen = ":9766"
  }
  notify {}
  email {
    server = "mail.example.org"
  }
}

virtual_server "web" {
  real_server "10.1.2.3:80" {}
}

vrrp_instance {
  interface = "eth0"
}
