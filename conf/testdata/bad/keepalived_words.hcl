global_defs {
  router_id = "lb1"
}

global {
  vrrp_strict        = true
  notification_email = ["ops@example.org"]
}

vrrp_script "haproxy" {
  script = "killall -0 haproxy"
}

vrrp_instance "web" {
  state               = "MASTER"
  interface           = eth0
  virtual_router_id   = 51
  advert_int          = 1
  virtual_ipaddress   = ["192.168.60.200/24"]
  nopreempt           = true
  unicast_src_ip      = "192.168.60.2"
  garp_master_refresh = 60
  notify_master       = "/etc/usher/notify"
  authentication {
    auth_type = "PASS"
    auth_pass = "1111"
  }
  track_script "haproxy" {
    script  = "killall -0 haproxy"
    command = ["killall", "-0", "haproxy"]
  }
}

vrrp_sync_group "edge" {
  group = ["web"]
}

virtual_server_group "web" {}

virtual_server "web" {
  address    = "192.168.60.200 80"
  delay_loop = 6
  quorum_up  = "/etc/usher/up"
  real_server "10.1.2.3 80" {
    inhibit_on_failure = true
    TCP_CHECK {
      connect_timeout = 3
    }
  }
  health_check "http" {
    url          = "/"
    connect_port = 8080
  }
}
