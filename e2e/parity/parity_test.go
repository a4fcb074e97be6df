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
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// groups are the cases that need no more than both sides on a healthy Redis.
var groups = []group{
	cookieGroup, signatureGroup, claimGroup, blacklistGroup, logoutGroup, httpGroup, bodyGroup, userGroup, generatedGroup,
}

// TestSameAnswers sends every case to the original, on Express 4 and on Express 5, and to this service.
func TestSameAnswers(t *testing.T) {
	t.Parallel()
	needPrograms(t)
	for _, express := range []string{"4", "5"} {
		t.Run("express "+express, func(t *testing.T) {
			t.Parallel()
			l := startPair(t, pairOptions{express: express})
			for _, group := range append(groups, group{name: "more", cases: moreGenerated()}) {
				t.Run(group.name, func(t *testing.T) {
					for _, c := range group.cases {
						t.Run(c.name, func(t *testing.T) { l.compare(t, c) })
					}
				})
			}
			t.Run("fleet", l.fleet)
		})
	}
}

// needPrograms skips a test once where its programs are missing, not once for each case.
func needPrograms(t *testing.T) {
	t.Helper()
	harness.Node(t)
	harness.Need(t, "redis-server")
}

// judge fails the test unless the difference between the answers is all that the case's divergences
// say, and each of them has a part in it.
func judge(t *testing.T, express string, o outcome) {
	t.Helper()
	found := differences(o.original, o.ours)
	explained := map[string]bool{}
	for _, name := range o.divergences(express) {
		d := divergenceNamed(t, name)
		differs := false
		for _, aspect := range d.aspects {
			explained[aspect] = true
			differs = differs || found[aspect] != ""
		}
		if !differs {
			t.Errorf("the divergence %s is gone from here: no difference in %v", name, d.aspects)
		}
		d.check(t, o)
	}
	for aspect, how := range found {
		if !explained[aspect] {
			t.Errorf("%s differs: %.600s", aspect, how)
		}
	}
	if t.Failed() {
		t.Logf("request %.600q\noriginal %s\nours     %s", o.request, o.original, o.ours)
	}
}

func (a answer) String() string {
	return fmt.Sprintf("%s%d %s %.300q %q %v", a.start, a.status, a.contentType, a.body, a.setCookie, a.changed().keys())
}
