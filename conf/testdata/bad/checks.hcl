virtual_server "web" {
  address = "192.168.60.200-201:0"
  persistence = "60s"
  checks_needed = 5

  health_check "http" {
    path  = "healthz"
    paths = ["/a", "b"]
    expect_status = ["200-299", "2xx", "300-200"]
    auth = "basic"
  }
  health_check "http" {}
  health_check "tcp" {
    name      = "smtp"
    port      = 25
    send      = "EHLO x"
    half_open = true
    ca_file   = "ca.pem"
  }
  health_check "udp" {
    port        = 53
    payload_hex = "0x"
    expect_hex  = "abc"
  }
  health_check "agent" {}
  health_check "ping" { port = 7 }
  health_check "exec" { command = [] }
  health_check "tls" {
    via = "service"
    port = 443
  }
  real_server "10.1.2.3" {}
}

bfd "nowhere" {
  address = "fe80::1"
  source  = "192.0.2.1"
  min_tx  = "500ms"
}

bfd "mistyped" {
  address   = "fe80::1%eth0"
  interface = "an-interface-with-a-name"
}

virtual_server "sessions" {
  address        = "192.0.2.1:81"
  forward_method = "nat"
  health_check "bfd" {
    interval     = "1s"
    bind_address = "192.0.2.3"
    port         = 3784
  }
  health_check "passive" {
    rise = 2
    mark = 3
  }
  health_check "ping" { bind_port = 1000 }
  health_check "exec" {
    command   = ["/bin/true"]
    interface = "eth0"
    user      = "no body:nogroup"
  }
  health_check "file" {
    path = "/run/maintenance"
    mark = 3
  }
  real_server "192.0.2.2:80" {}
}
