global {
  http = "foo bar:80"
  remote {
    listen         = "192.0.2.300:9766"
    cert_file      = "cert.pem"
    key_file       = "key.pem"
    client_ca_file = "ca.pem"
  }
  webhook "http://foo,bar/secret" {}
  webhook "http://bücher.example/secret" {} // which is fine
  webhook "https://:443/secret" {}
  webhook "https://-.example.org/secret" {}
  webhook "https://alerts.example.org:70000/secret" {}
  webhook "https://192.0.2.300/secret" {}
  email {
    server = "mail example.org"
    from   = "usher@example.org"
    to     = ["ops@example.org"]
    helo   = "my host"
  }
  email {
    server = ":25"
    from   = "usher@example.org"
    to     = ["ops@example.org"]
  }
}
