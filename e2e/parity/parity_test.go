// Package parity proves that a client can't tell this service from the Express original: it sends both
// the same bytes, in the same state of one Redis, and compares what they answer and what they write.
//
// Every difference is one of the table in divergences_test.go, with its reason, or it fails the test.
// docs/parity.md is made of that table and of the cases:
//
//	go test ./e2e/parity -run TestDoc -update
package parity

import (
	"fmt"
	"os"
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// groups are the cases that need only both sides and a healthy Redis.
var groups = []group{
	cookieGroup, signatureGroup, claimGroup, blacklistGroup, logoutGroup, bearerGroup, httpGroup, bodyGroup, userGroup,
	generatedGroup,
}

// TestSameAnswers sends every case to this service and to the original, on Express 4 and on Express 5.
func TestSameAnswers(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	for _, express := range []string{"4", "5"} {
		t.Run("express "+express, func(t *testing.T) {
			t.Parallel()
			c := combinations[0]
			c.more = moreGenerated()
			startPair(t, pairOptions{express: express, combination: c}).everything(t)
		})
	}
}

// everything runs all cases of the pair's combination.
func (l *pair) everything(t *testing.T) {
	t.Helper()
	for _, group := range l.combination.corpus() {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) { l.compare(t, c) })
			}
		})
	}
	t.Run("fleet", l.fleet)
	t.Run("flow", l.flow)
	t.Logf("%d cases, %d with a difference", l.cases, l.differ)
	whole := l.cases == l.combination.size() && os.Getenv("PARITY_CASES") == ""
	if whole && l.express == "4" && l.differ != l.combination.differ {
		t.Errorf("%d cases differ, but the table of combinations has %d", l.differ, l.combination.differ)
	}
}

// needPrograms skips the whole test if a program is missing, so that each case is not reported as skipped.
func needPrograms(t *testing.T) {
	t.Helper()
	harness.Node(t)
	harness.Need(t, "redis-server")
}

// judgeCase checks the outcome of a case of the pair and counts it.
func (l *pair) judgeCase(t *testing.T, o outcome) {
	t.Helper()
	l.cases++
	if judge(t, l.express, o) {
		l.differ++
	}
}

// judge fails the test unless the divergences of the case explain all differences between the responses, and each
// of them explains at least one. It reports whether there is a difference.
func judge(t *testing.T, express string, o outcome) bool {
	t.Helper()
	found := differences(o.original, o.ours)
	explained := map[string]bool{}
	for _, d := range o.shown(express) {
		differs := false
		for _, aspect := range d.aspects {
			explained[aspect] = true
			differs = differs || found[aspect] != ""
		}
		if !differs {
			t.Errorf("the case should show the divergence %s, but %v do not differ", d.name, d.aspects)
		}
		d.check(t, o)
	}
	for aspect, how := range found {
		if !explained[aspect] {
			t.Errorf("no divergence explains that the %s differs: %.600s", aspect, how)
		}
	}
	if t.Failed() {
		t.Logf("request %.600q\noriginal %s\nours     %s", o.request, o.original, o.ours)
	}
	return len(found) > 0
}

func (a answer) String() string {
	return fmt.Sprintf("%s%d %s %.300q %q %v", a.start, a.status, a.contentType, a.body, a.setCookie, a.changed().keys())
}
