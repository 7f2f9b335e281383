package metrics_test

import (
	"encoding/json"
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

// TestPromtoolLikesTheMetrics: the same lint as promlint's, by Prometheus' own tool.
func TestPromtoolLikesTheMetrics(t *testing.T) {
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t, full()))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
