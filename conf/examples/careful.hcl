# A pool that is treated with care: servers are proven along the way that clients
# take, drained before they go, warmed up when they return; a page of apology
# answers while too few are left; and somebody hears of it.

variable "priority" { default = 100 }

global {
  ipvs {
    # Established connections survive a failover.
    sync {
      interface = "eth1"
      instance  = "shop"
    }
  }

  webhook "https://alerts.example.org/usher" {
    on = ["active", "split_brain", "down", "server_down"]
  }
}

vrrp_instance "shop" {
  interface         = "eth0"
  virtual_router_id = 70
  priority          = var.priority
  preempt           = false
  virtual_addresses = ["192.0.2.70/32"]
}

virtual_server "shop" {
  address        = "192.0.2.70:443"
  scheduler      = "wlc"
  forward_method = "dr"
  weight         = 100

  quorum        = 200
  drain_timeout = "5m"
  slow_start    = "2m"

  # Half the pool failing at once is more likely the check's fault than the pool's.
  min_healthy    = 0.5
  flap_threshold = 5
  flap_window    = "5m"
  flap_hold      = "10m"

  # By the service itself: finds a server that lacks the VIP on lo, too.
  health_check "tls" {
    via         = "service"
    server_name = "shop.example.org"
  }

  # And what the application says of itself.
  health_check "http" {
    name        = "application"
    port        = 8080
    path        = "/ready"
    expect_json = { "status" = "ready" }
    slow        = "500ms"
    slow_weight = 50
  }

  # A file on a director takes a server out for maintenance.
  real_server "10.1.2.3:443" {
    health_check "file" {
      path = "/etc/usher/maintenance/10.1.2.3"
      mode = "absent"
    }
  }
  real_server "10.1.4.5:443" {}
  real_server "10.1.3.8:443" {}
  real_server "10.1.3.9:443" { weight = 50 }

  sorry_server "10.1.9.9:443" {}
}
