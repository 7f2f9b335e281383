package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const examples = "../../../../conf/examples"

// TestExamplesUseWhatIsThere: the dashboard and the alert rules ask for no metric
// that is not served.
func TestExamplesUseWhatIsThere(t *testing.T) {
	served := scrape(t, full())
	for _, name := range []string{"grafana-dashboard.json", "prometheus-alerts.yml"} {
		text, err := os.ReadFile(filepath.Join(examples, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(text) {
			t.Errorf("%s is no JSON", name)
		}
		found := regexp.MustCompile(`usher_[a-z0-9_]+`).FindAllString(string(text), -1)
		if len(found) < 10 {
			t.Errorf("%s asks for %d metrics only", name, len(found))
		}
		for _, metric := range found {
			if !strings.Contains(served, "\n"+metric+"{") && !strings.Contains(served, "\n"+metric+" ") {
				t.Errorf("%s asks for %s, which is not served", name, metric)
			}
		}
	}
}

// TestAlertRules has promtool check the rules and play them against series.
func TestAlertRules(t *testing.T) {
	rules, err := os.ReadFile(filepath.Join(examples, "prometheus-alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile("testdata/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"prometheus-alerts.yml": rules, "cases.yml": cases} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "rules", "prometheus-alerts.yml"}, {"test", "rules", "cases.yml"}} {
		cmd := exec.Command("promtool", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// TestDashboardQueries: promtool understands every query of the dashboard, with
// Grafana's variables filled in.
func TestDashboardQueries(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(examples, "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllSubmatch(text, -1)
	if len(found) < 20 {
		t.Errorf("%d queries", len(found))
	}
	rules := "groups:\n  - name: dashboard\n    rules:\n"
	for i, m := range found {
		var query string
		if err := json.Unmarshal(m[1], &query); err != nil {
			t.Fatal(err)
		}
		query = strings.NewReplacer("$job", "usher", "$__rate_interval", "1m").Replace(query)
		rules += fmt.Sprintf("      - record: query:%d\n        expr: %q\n", i, query)
	}
	name := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(name, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "check", "rules", name).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
}

// TestDashboardCountsServersOnce: a server that two directors find down is one of a
// service, not two; of another service it is another.
func TestDashboardCountsServersOnce(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(examples, "grafana-dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`"expr": ("count[^\n]*usher_real_server_down(?:[^"\\]|\\.)*")`).FindSubmatch(text)
	if found == nil {
		t.Fatal("no query counts the servers that are down")
	}
	var query string
	if err := json.Unmarshal(found[1], &query); err != nil {
		t.Fatal(err)
	}
	cases := "tests:\n  - interval: 1m\n    input_series:\n"
	for _, s := range []struct {
		director, service, server string
		down                      int
	}{{"a", "web", "10.0.0.1:80", 1}, {"b", "web", "10.0.0.1:80", 1}, {"a", "web", "10.0.0.2:80", 0}, {"b", "web", "10.0.0.2:80", 0}, {"a", "mail", "10.0.0.1:80", 1}} {
		cases += fmt.Sprintf("      - series: 'usher_real_server_down{job=\"usher\", instance=%q, virtual_server=%q, real_server=%q}'\n        values: '%d %d'\n", s.director, s.service, s.server, s.down, s.down)
	}
	cases += fmt.Sprintf("    promql_expr_test:\n      - expr: %q\n        eval_time: 1m\n        exp_samples:\n          - labels: '{}'\n            value: 2\n", strings.ReplaceAll(query, "$job", "usher"))
	name := filepath.Join(t.TempDir(), "cases.yml")
	if err := os.WriteFile(name, []byte(cases), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "test", "rules", name).CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

// TestPromtoolLikesTheMetrics: the same lint as promlint's, by Prometheus' own tool.
func TestPromtoolLikesTheMetrics(t *testing.T) {
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t, full()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
