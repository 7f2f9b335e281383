# Every kind of block, for tests that want all of it.
variable "secret" {
  type        = string
  default     = "hidden-variable"
  sensitive   = true
  description = "a secret"
}

global {
  router_id      = hostname()
  http           = ""
  on_stop        = "keep"
  manage_sysctls = false
  log {
    level  = "debug"
    format = "json"
  }
  remote {
    listen         = ":9766"
    cert_file      = "server.pem"
    key_file       = "server.key"
    client_ca_file = "/etc/usher/ca.pem"
  }
  ipvs {
    conntrack       = true
    sloppy_tcp      = false
    conn_reuse_mode = 1
    sync {
      interface  = "eth0"
      instance   = "both"
      group      = "224.0.0.82"
      port       = 8849
      ttl        = 2
      max_length = 1400
    }
  }
  notify { command = ["/etc/usher/notify", "all"] }
  webhook "https://alerts.example.org/usher" {
    secret  = var.secret
    on      = ["active", "down"]
    retries = 2
  }
  email {
    server   = "mail.example.org"
    from     = "usher@example.org"
    to       = ["ops@example.org"]
    user     = "usher"
    password = "hidden-password"
  }
}

peers {
  name    = "first"
  listen  = "192.168.60.2:7946"
  join    = ["192.168.60.3", "192.168.60.4:7947"]
  key     = "hidden-peers-key-of-32-bytes-abc"
  old_key = "MDEyMzQ1Njc4OWhpZGRlbi1wZWVycy1rZXktb2xkLjE="
}

bfd "router" {
  address    = "192.168.60.1"
  interface  = "eth0"
  mark       = 7
  min_tx     = "50ms"
  min_rx     = "50ms"
  multiplier = 3
}

vrrp_instance "both" {
  interface          = "eth0"
  virtual_router_id  = 7
  priority           = 255
  advert_interval    = "100ms"
  down_timer_adverts = 4
  virtual_addresses  = ["192.168.60.210/24", "fe80::210/64"]
  lease              = "0s"
  startup_delay      = "10s"
  accept             = false
  virtual_mac        = true
  checksum           = "rfc9568"
  multicast_group4   = "224.0.0.19"
  multicast_group6   = "ff02::13"
  source4            = "192.168.60.2"
  virtual_address "2001:db8::210/64" {
    interface = "eth1"
    excluded  = true
  }
  virtual_address "10.1.0.1/16" {
    interface = "eth1"
    label     = "eth1:1"
    scope     = "link"
  }
  virtual_route "default" {
    via    = "192.168.60.1"
    metric = 5
    table  = 100
  }
  virtual_route "2001:db8:1::/48" { type = "blackhole" }
  virtual_rule {
    from     = "10.1.0.0/16"
    table    = 100
    mark     = 4294967295
    priority = 1000
  }
  garp {
    repeat  = 3
    delay   = "0s"
    refresh = "0s"
    pace    = "10ms"
  }
  track_bfd "router" {}
  track_script "ok" {
    command = ["/bin/true"]
    initial = "up"
  }
  track_process "sshd" { reverse = true }
  witness { ping = ["192.168.60.1"] }
  webhook "https://alerts.example.org/both" {}
}

vrrp_instance "one" {
  interface         = "eth0.10"
  virtual_router_id = 8
  preempt           = false
  bind              = "local_route"
  virtual_addresses = ["192.168.61.210"]
  unicast {
    source = "192.168.61.2"
    ttl    = 64
    peer "192.168.61.3" {
      min_ttl = 60
      max_ttl = 64
    }
  }
}

vrrp_sync_group "all" {
  instances = ["both", "one"]
  notify { command = ["/etc/usher/notify", "group"] }
}

virtual_server "range" {
  discover "dns" {
    name           = "web.service.example"
    type           = "A"
    servers        = ["192.0.2.53", "[2001:db8::53]:5353"]
    port           = 8080
    weight         = 3
    forward_method = "nat"
    interval       = "20s"
    min_interval   = "2s"
    timeout        = "3s"
    allow_empty    = true
    max_servers    = 50
    max_leave      = 0.25
  }
  discover "file" { paths = ["/etc/usher/targets/web*.json", "/etc/usher/targets/web.yml"] }
  discover "http" {
    url         = "https://cmdb.example/targets?svc=web"
    token_file  = "/etc/usher/token"
    ca_file     = "/etc/usher/ca.pem"
    cert_file   = "/etc/usher/client.pem"
    key_file    = "/etc/usher/client.key"
    server_name = "cmdb"
    insecure    = false
  }
  address             = "192.168.60.10-12:8000-8001"
  protocol            = "udp"
  scheduler           = "mh"
  scheduler_flags     = ["mh-port", "mh-fallback"]
  forward_method      = "tun"
  one_packet          = true
  persistence         = "1m"
  persistence_netmask = "255.255.255.0"
  persistence_engine  = "sip"
  quorum              = 3
  hysteresis          = 1
  on_failure          = "quiesce"
  slow_start          = "30s"
  min_healthy         = 0.25
  weight              = 2
  upper_threshold     = 100
  lower_threshold     = 50
  initial             = "up"
  checks_needed       = 1
  flap_threshold      = 5
  tunnel {
    type     = "gue"
    port     = 5555
    checksum = "csum"
  }
  health_check "ping" {}
  health_check "udp" {
    port          = 8000
    payload_hex   = "de ad"
    expect_hex    = "dead xx0x"
    require_reply = true
  }
  health_check "dns" {
    port           = 53
    question       = "example.org"
    type           = "A"
    expect_answers = ["192.0.2.1"]
  }
  real_server "10.1.2.3" {}
  real_server "10.1.2.4" {
    weight = 0
    tunnel { type = "gre" }
  }
  real_server "10.1.2.5" {
    upper_threshold = 10
    lower_threshold = 5
    health_check "ping" { interval = "500ms" }
    health_check "file" {
      path = "maintenance"
      mode = "absent"
    }
  }
  notify {
    command = ["/etc/usher/quorum"]
    on      = ["up", "down"]
  }
}

virtual_server "mark6" {
  fwmark         = 7
  family         = "ipv6"
  scheduler      = "sh"
  forward_method = "dr"
  real_server "2001:db8::10" {}
  real_server "2001:db8::11" {}
}

virtual_server "fullnat" {
  address        = "[2001:db8::1]:443"
  forward_method = "fullnat"
  snat_addresses = ["2001:db8:2::/124"]
  health_check "https" {
    paths          = ["/a", "/b"]
    method         = "POST"
    host           = "www.example.org"
    headers        = { X-Probe = "usher", Accept = "*/*" }
    body           = "{}"
    http_version   = "2"
    expect_status  = ["200", "204-299"]
    expect_json    = { "status.db[0]" = "ok" }
    auth           = "basic"
    auth_user      = "probe"
    auth_file      = "probe.secret"
    ca_file        = "ca.pem"
    min_version    = "1.3"
    expiry_warning = "336h"
    slow           = "300ms"
    slow_weight    = 25
    fast_interval  = "500ms"
    jitter         = "100ms"
  }
  health_check "tcp" {
    name         = "banner"
    port         = 22
    expect_regex = "^SSH-2"
    bind_address = "2001:db8::2"
    bind_port    = 1000
    interface    = "eth0"
    mark         = 5
  }
  health_check "tcp" {}
  health_check "tls" { via = "service" }
  health_check "smtp" {
    port     = 25
    starttls = true
    insecure = true
  }
  health_check "grpc" { service = "usher.Test" }
  health_check "mysql" {
    user         = "check"
    password_env = "MYSQL_PASSWORD"
  }
  health_check "postgres" {}
  health_check "redis" {}
  health_check "exec" {
    command        = ["/usr/lib/nagios/plugins/check_http", "-H", "x"]
    dynamic_weight = "stdout"
    warning        = "down"
    environment    = { A = "1" }
  }
  health_check "agent" {
    port = 8888
    send = "hello\n"
  }
  health_check "bfd" { min_tx = "50ms" }
  health_check "passive" { threshold = 10 }
  real_server "[2001:db8::20]:8443" {
    health_check "https" { path = "/c" }
  }
  sorry_server "[2001:db8::21]:80" {
    forward_method = "nat"
    health_check "http" {}
  }
}
