# Alerts to Slack, PagerDuty and Alertmanager. The body of a webhook is a template of Go's
# text/template over one change of state; conf/REFERENCE.md has its fields. `usher validate`
# checks it, `usher notify --test -c FILE` sends a test by each.

variable "pagerduty_key" { default = "0123456789abcdef0123456789abcdef" }

global {
  router_id = "lb1"

  webhook "https://hooks.slack.com/services/T000/B000/XXXX" {
    on   = ["active", "fault", "split_brain", "up", "down"]
    body = <<-EOT
      {"text": {{json .Text}}}
    EOT
  }

  # Events API v2: what asks for somebody triggers an incident, any later state of the same
  # instance or server resolves it.
  webhook "https://events.pagerduty.com/v2/enqueue" {
    on   = ["active", "backup", "fault", "split_brain", "up", "down"]
    body = <<-EOT
      {
        "routing_key": "${var.pagerduty_key}",
        "event_action": "{{if .Problem}}trigger{{else}}resolve{{end}}",
        "dedup_key": {{json .Key}},
        "payload": {
          "summary": {{json .Text}},
          "source": {{json .RouterID}},
          "severity": {{json .Severity}},
          "timestamp": {{json .Time}},
          "component": {{json .Name}}
        }
      }
    EOT
  }

  # Alertmanager tells alerts apart by their labels: those of a problem and of its end are
  # the same. It holds a problem for as long as endsAt says.
  webhook "http://alertmanager.example.org:9093/api/v2/alerts" {
    body = <<-EOT
      [{
        "labels": {
          "alertname": "UsherState",
          "kind": {{json .Kind}},
          "name": {{json .Name}},
          "virtual_server": {{json .VirtualServer}},
          "director": {{json .RouterID}}
        },
        "annotations": {"summary": {{json .Text}}, "reason": {{json .Reason}}},
        "startsAt": {{json .Time}},
        "endsAt": {{if .Problem}}{{json (.After "24h")}}{{else}}{{json .Time}}{{end}}
      }]
    EOT
  }
}

vrrp_instance "web" {
  interface         = "eth0"
  virtual_router_id = 51
  virtual_addresses = ["192.168.60.200/32"]
}
