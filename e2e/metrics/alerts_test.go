package metrics

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"gin-auth/e2e/internal/harness"
)

// alert is a rule of deploy/alerts.yaml.
type alert struct {
	Alert, Expr string
}

func readAlerts(t *testing.T) (alerts []alert) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	readYAML(t, "deploy/alerts.yaml", &file)
	for _, group := range file.Groups {
		alerts = append(alerts, group.Rules...)
	}
	if len(alerts) == 0 {
		t.Fatal("deploy/alerts.yaml has no alerts")
	}
	return alerts
}

// TestAlerts runs the alerts' own tests with promtool.
func TestAlerts(t *testing.T) {
	t.Parallel()
	promtool := harness.Need(t, "promtool")
	command := exec.Command(promtool, "test", "rules", filepath.Join("e2e", "metrics", "alerts_test.yaml"))
	command.Dir = harness.Root()
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

// TestEveryAlertIsTested checks that every alert has a test and documentation. A test must have a moment in which
// the alert fires and one in which it does not. docs/operations.md must say what to do.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "e2e/metrics/alerts_test.yaml", &file)
	tested := map[string]bool{}
	for _, test := range file.Tests {
		fires, rests := map[string]bool{}, map[string]bool{}
		for _, moment := range test.AlertRuleTest {
			if len(moment.ExpAlerts) > 0 {
				fires[moment.Alertname] = true
			} else {
				rests[moment.Alertname] = true
			}
		}
		for name := range fires {
			tested[name] = tested[name] || rests[name]
		}
	}
	docs := harness.ReadSource(t, "docs/operations.md")
	for _, alert := range readAlerts(t) {
		if !tested[alert.Alert] {
			t.Errorf("%s has no test in which it fires at one time and does not fire at another", alert.Alert)
		}
		if !strings.Contains(docs, "| `"+alert.Alert+"` |") {
			t.Errorf("docs/operations.md does not say what to do about %s", alert.Alert)
		}
		delete(tested, alert.Alert)
	}
	for name := range tested {
		t.Errorf("a test names the alert %s, which does not exist", name)
	}
}

func readYAML(t *testing.T, name string, to any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(harness.ReadSource(t, name)), to); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
}
