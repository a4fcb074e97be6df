package parity

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

var update = flag.Bool("update", false, "write docs/parity.md anew")

// subject is a group of any kind, as counted on the page.
type subject struct {
	name, about string
	cases       []testCase // only names and divergences are used
}

// subjects returns all groups, including those that are not tables of requests.
func subjects() []subject {
	var all []subject
	for _, g := range groups {
		all = append(all, subject(g))
	}
	fleet := subject{name: "fleet", about: fleetAbout}
	for _, row := range fleetRows {
		for i := range rowSize {
			fleet.cases = append(fleet.cases, testCase{name: fmt.Sprint(row.name, ", ", i)})
		}
	}
	fleet.cases = append(fleet.cases, testCase{name: twoLogins, diverges: "jti"})
	flow := subject{name: "flow", about: flowAbout, cases: flowSteps(combinations[0])}
	starts := subject{name: "start", about: startAbout}
	for _, c := range startCases {
		starts.cases = append(starts.cases, testCase{name: c.name, diverges: c.diverges})
	}
	all = append(all, fleet, flow)
	for _, s := range settings {
		all = append(all, subject(s.group))
	}
	return append(all, starts)
}

// TestTable checks the tables: names are unique, and each divergence covers a case.
func TestTable(t *testing.T) {
	t.Parallel()
	total, uses := 0, map[string]int{}
	for _, s := range subjects() {
		seen := map[string]bool{}
		for _, c := range s.cases {
			total++
			if seen[c.name] || strings.ContainsAny(c.name, "\"\\\n") || c.name == "" {
				t.Errorf("%s: the name %q is a duplicate, or cannot be used in a claim", s.name, c.name)
			}
			seen[c.name] = true
			for _, name := range strings.Fields(c.diverges + " " + c.express5) {
				divergenceNamed(t, name)
				uses[name]++
			}
		}
	}
	for _, d := range divergences {
		if uses[d.name] == 0 && d.when == nil {
			t.Errorf("the divergence %s has no case", d.name)
		}
	}
	if total < 300 {
		t.Errorf("the tables have %d cases, want 300 or more", total)
	}
	t.Logf("%d cases, %d divergences", total, len(divergences))
}

// TestDoc fails if docs/parity.md and the table in docs/migration.md differ from the tables in this package.
func TestDoc(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(now []byte) []byte{
		"parity.md":    func([]byte) []byte { return page() },
		"migration.md": withApplications,
	} {
		path := filepath.Join(harness.Root(), "docs", name)
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := make(now)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if !bytes.Equal(now, want) {
			t.Errorf("docs/%s is not current: run go test ./e2e/parity -run TestDoc -update", name)
		}
	}
}

var applicationRows = regexp.MustCompile(`(?s)(\| your service \| settings here \|\n\|---\|---\|\n)(?:\|.*?\n)*\n`)

// withApplications returns docs/migration.md with the current table of applications.
func withApplications(now []byte) []byte {
	rows := "$1"
	for _, c := range combinations {
		rows += strings.ReplaceAll(fmt.Sprintf("| %s | %s |\n", c.about, code(c.ours)), "$", "$$")
	}
	return applicationRows.ReplaceAll(now, []byte(rows+"\n"))
}

// page returns docs/parity.md.
func page() []byte {
	var b bytes.Buffer
	total, uses := 0, map[string]int{}
	for _, s := range subjects() {
		total += len(s.cases)
		for _, c := range s.cases {
			for _, d := range divergences {
				if c.shows("4", d.name) || c.shows("5", d.name) {
					uses[d.name]++
				}
			}
		}
	}
	fmt.Fprintf(&b, intro, thousands(total), len(originalDivergences), len(familyDivergences))
	topic := ""
	for _, d := range divergences {
		if d.topic != topic {
			topic = d.topic
			fmt.Fprintf(&b, "\n### %s\n\n| | the original | here | why | cases |\n|---|---|---|---|--:|\n", topic)
		}
		cases := fmt.Sprint(uses[d.name])
		if d.when != nil {
			cases = inCombinations(d)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", d.name, d.original, d.ours, d.why, cases)
	}
	b.WriteString(middle)
	for _, s := range subjects() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.name, s.about, thousands(len(s.cases)))
	}
	b.WriteString(familyIntro)
	for _, c := range combinations {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
			c.name, code(c.original), code(c.ours), c.traitNames(), thousands(c.size()), thousands(c.differ))
	}
	b.WriteString(outro)
	return b.Bytes()
}

// traitNames returns the names of the combination's divergences of the family.
func (c combination) traitNames() string {
	var names []string
	for _, d := range familyDivergences {
		if d.needs(outcome{combination: c}) {
			names = append(names, d.name)
		}
	}
	return or(strings.Join(names, ", "), "–")
}

// inCombinations returns in how many combinations a divergence shows.
func inCombinations(d divergence) string {
	n := 0
	for _, c := range combinations {
		if d.needs(outcome{combination: c}) {
			n++
		}
	}
	if n == 1 {
		return "1 combination"
	}
	return fmt.Sprint(n, " combinations")
}

func code(env []string) string {
	if len(env) == 0 {
		return "–"
	}
	return "`" + strings.Join(env, "` `") + "`"
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

const intro = `# Differences from the Express original

<!-- Made by e2e/parity: change the tables there, then run go test ./e2e/parity -run TestDoc -update -->

Clients of the Express original also work with this service, and both services can run side by side on one Redis. They differ
in the %[2]d ways below, all of them intended. Most likely to matter:

- **Paths must match exactly**, and a wrong method is 405. Client code that adds a slash gets 404.
- **A POST from a page on another origin** is rejected with 403. Add the origin of your front end to ` + "`CORS_ORIGINS`" + `.
- **Login needs Redis**, where the users are stored.

There are no others in what the tests cover: %[1]s cases send the same bytes to both services and compare the responses and
what changed in Redis. The test fails on a difference that is not in these tables, and on a row that is no
longer true. The same cases run with the traits of [other applications](#combinations) of the original's family, which
adds the %[3]d differences of the last table. For example, this is one case:

` + "```" + `
POST /api/auth/logout, Cookie: token=<a token signed with another secret>
the original: 200, and it stores blacklist:<token>
here:         200, and nothing is stored            → the row authentic-only
` + "```" + `

## What differs
`

const middle = `
## What is compared

The status; the body, JSON by value as JavaScript reads it (9007199254740993, which is kept exact here, equals the original's
9007199254740992); Content-Type; Set-Cookie as a set of attributes, and header and claims of a token in it; keys, types,
values and expiry times in Redis.

Not compared: other headers (this service sends no ETag, no X-Powered-By and no Keep-Alive), the order of members in JSON,
and response times.

| cases | | |
|---|---|--:|
`

const familyIntro = `
## Combinations

The applications of the original's family differ in the blacklist key, the cookie and the bodies. Each row is
one of them on Express 4, with these switches of ` + "`e2e/parity/express/server.js`" + `, and this service with the matching
settings on the same Redis. The cases are those from *cookies* to *flow* that apply to the application, and
a few of its own. The column *differ* counts the cases that show one of the differences above; *besides* names those of the
last table.

| application | its switches | settings here | besides | cases | differ |
|---|---|---|---|--:|--:|
`

const outro = `
The original is ` + "`e2e/parity/express`" + `: the Node service's middleware, logout and Redis client, with a
registration and a login as in most applications of its family, on ioredis, jsonwebtoken and cookie-parser
in the versions of ` + "`e2e/package-lock.json`" + `. The cases up to *flow* run against Express 4 and Express 5, the
others against Express 4.

## Running it

` + "```" + `
(cd e2e && npm ci)          # needs Node 20 or later; redis-server 7 or later must be installed
go test ./e2e/parity
` + "```" + `

One case: ` + "`-run 'TestSameAnswers/express_4/cookies/quoted,_good,_me'`" + `; one combination:
` + "`-run 'TestFamily/no_SameSite'`" + `. More generated cases:
` + "`PARITY_SEED=2 PARITY_CASES=5000`" + `.
`
