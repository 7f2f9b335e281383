package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// nginxConf answers with the server's name, on port 80 and on the service's own
// port, which dr and tun cannot change. A connection ends only when it is ended: how
// many answers one has (nginx's default is 1,000) is a matter of how long a test takes.
const nginxConf = `user root;
daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx-error.log;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path %[1]s/tmp; proxy_temp_path %[1]s/tmp; fastcgi_temp_path %[1]s/tmp;
	uwsgi_temp_path %[1]s/tmp; scgi_temp_path %[1]s/tmp;
	default_type text/plain;
	server {
		listen 80;
		listen 9376;
		listen [::]:80;
		location / { return 200 "%[2]s\n"; }
		location = /healthz { return 200 "ok\n"; }
		location /files/ { alias %[1]s/files/; limit_rate 64k; }
	}
}
`

// Web starts nginx on a real server. It answers / with the node's name, /healthz
// with "ok", and /files/big with 1 MB at 64 kB/s, a connection that lasts.
func (n *Node) Web(ctx context.Context) (*Process, error) {
	if err := os.MkdirAll(filepath.Join(n.Dir, "files"), 0o755); err != nil {
		return nil, err
	}
	// nginx's worker, an unprivileged user, reads the file by its full path.
	if err := os.WriteFile(filepath.Join(n.Dir, "files/big"), make([]byte, 1<<20), 0o644); err != nil {
		return nil, err
	}
	conf := filepath.Join(n.Dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, n.Dir, n.Name), 0o644); err != nil {
		return nil, err
	}
	p, err := n.Start("nginx", "nginx", "-p", n.Dir, "-c", conf, "-e", filepath.Join(n.Dir, "nginx-error.log"))
	if err != nil {
		return nil, err
	}
	return p, Until(ctx, "nginx of "+n.Name+" answers", func() error {
		return n.Dial(ctx, "127.0.0.1:80")
	})
}

// Webs starts nginx on every real server and, for dr and tun, gives each the VIP
// of the file in conf/examples.
func (l *Lab) Webs(ctx context.Context) ([]*Process, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	var all []*Process
	for _, n := range l.Real {
		if l.Forward == "dr" || l.Forward == "tun" {
			if err := n.HoldVIP(ctx, filepath.Join(root, "conf/examples", l.Forward+".hcl")); err != nil {
				return nil, err
			}
		}
		p, err := n.Web(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
