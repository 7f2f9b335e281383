variable "priority" { default = 100 }
locals { web = ["10.1.2.3", "10.1.4.5", "10.1.3.8"] }

global {
  router_id = "lb1"
  state     = "/var/lib/usher"
  control   = "/run/usher/usher.sock"
  http      = "127.0.0.1:9765"
  log {
    level  = "info"
    format = "text"
  }
  ipvs {
    tcp_timeout               = "15m"
    tcp_fin_timeout           = "2m"
    udp_timeout               = "5m"
    expire_nodest_conn        = true
    expire_quiescent_template = true
    sync {
      interface = "eth0"
      id        = 51
      instance  = "web"
    }
  }
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  priority          = var.priority
  version           = 3
  advert_interval   = "1s"
  virtual_addresses = ["192.168.60.200/32"]
  bind              = "address"
  lease             = "2s"
  preempt           = true
  preempt_delay     = "0s"
  accept            = true
  virtual_mac       = false
  checksum          = "auto"
  unicast {
    source = "192.168.60.2"
    peers  = ["192.168.60.3"]
  }
  garp {
    repeat  = 5
    delay   = "5s"
    refresh = "60s"
  }
  track_interface "eth1" { weight = 0 }
  track_script "haproxy" {
    command  = ["/usr/bin/pgrep", "haproxy"]
    interval = "1s"
    timeout  = "1s"
    rise     = 1
    fall     = 2
    weight   = -30
    user     = "nobody"
  }
  track_file "/run/usher/weight" { weight = 1 }
  track_process "haproxy" { weight = 0 }
  track_virtual_server "web" { weight = 0 }
  notify {
    command = ["/etc/usher/notify"]
    on      = ["active", "backup", "fault", "stop"]
  }
}

vrrp_instance "old" {
  interface         = "eth0"
  virtual_router_id = 52
  version           = 2
  virtual_addresses = ["192.168.60.201/32"]
  authentication {
    type     = "pass"
    password = "secret"
  }
}

vrrp_sync_group "edge" { instances = ["web", "old"] }

virtual_server "web" {
  address        = "192.168.60.200:9376"
  protocol       = "tcp"
  scheduler      = "rr"
  forward_method = "nat"
  persistence    = "600s"
  quorum         = 1
  on_failure     = "remove"
  drain_timeout  = "60s"
  slow_start     = "0s"
  sorry_server "10.9.9.9:80" {}
  health_check "http" {
    path          = "/healthz"
    port          = 80
    interval      = "2s"
    timeout       = "1s"
    rise          = 2
    fall          = 3
    expect_status = ["200-299"]
    expect_body   = "ok"
  }
  real_server "10.1.2.9:80" { weight = 1 }
  dynamic "real_server" {
    for_each = local.web
    labels   = ["${real_server.value}:80"]
    content { weight = 1 }
  }
}
