package session

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostileHeaders are headers that are expensive to read. Each function returns a header of about n bytes.
var hostileHeaders = map[string]func(n int) string{
	"members":                  filled(`"%d":0`),
	"members of equal names":   filled(`"":0`),
	"escaped names":            filled(`"\u0061%d":0`),
	"short escaped names":      filled(`"\n":0`),
	"names close to alg":       filled(`"\u0061\u006c\u0067x":0`),
	"many algs":                filled(`"alg":"HS256"`),
	"many escaped algs":        filled(`"\u0061lg":"\u0048\u0053256"`),
	"many crits":               filled(`"crit":[]`),
	"many surrogates":          filled(`"\ud800":"\ud800"`),
	"members of members":       filled(`"%d":{"a":0}`),
	"members between spaces":   filled(" \t\"\" \r: \n0 "),
	"numbers":                  filled(`"":-1.5e-3`),
	"HS384":                    func(n int) string { return fmt.Sprintf(`{"alg":"HS384","x":"%s"}`, repeat("x", n)) },
	"HS512":                    func(n int) string { return fmt.Sprintf(`{"alg":"HS512","x":"%s"}`, repeat("x", n)) },
	"HS512, members":           func(n int) string { return `{"alg":"HS512",` + filled(`"%d":0`)(n)[len(hs256):] },
	"a long string":            func(n int) string { return with(`"x":"` + repeat("x", n) + `"`) },
	"a string of escapes":      func(n int) string { return with(`"x":"` + repeat(`\u0061`, n) + `"`) },
	"a string not UTF-8":       func(n int) string { return with(`"x":"` + repeat("\xff", n) + `"`) },
	"a long name":              func(n int) string { return with(`"` + repeat("x", n) + `":0`) },
	"a name of escapes":        func(n int) string { return with(`"` + repeat(`\"`, n) + `":0`) },
	"a long alg":               func(n int) string { return `{"alg":"` + repeat("HS256", n) + `"}` },
	"an alg of escapes":        func(n int) string { return `{"alg":"` + repeat(`\u0048`, n) + `"}` },
	"an alg of arrays":         func(n int) string { return `{"alg":` + nested("[", "]", n) + `}` },
	"a long number":            func(n int) string { return with(`"x":` + repeat("1", n)) },
	"white space":              func(n int) string { return repeat(" ", n) + hs256 },
	"white space inside":       func(n int) string { return with(repeat("\t", n) + `"x":0`) },
	"nested arrays":            func(n int) string { return with(`"x":` + nested("[", "]", n)) },
	"nested objects":           func(n int) string { return with(`"x":` + nested(`{"":`, "}", n)) },
	"an array of numbers":      func(n int) string { return with(`"x":[0` + repeat(",0", n) + `]`) },
	"an array of arrays":       func(n int) string { return with(`"x":[[]` + repeat(",[]", n) + `]`) },
	"an array of objects":      func(n int) string { return with(`"x":[{}` + repeat(",{}", n) + `]`) },
	"no JSON at the end":       func(n int) string { return filled(`"%d":0`)(n) + "x" },
	"an array never closed":    func(n int) string { return with(`"x":` + repeat("[", n)) },
	"not an object":            func(n int) string { return "[0" + repeat(",0", n) + "]" },
	"members before a bad alg": func(n int) string { s := filled(`"%d":0`)(n); return s[:len(s)-1] + `,"alg":"none"}` },
	"ours, a long payload":     func(int) string { return hs256 },
}

func repeat(s string, n int) string { return strings.Repeat(s, n/len(s)) }

func nested(open, end string, n int) string {
	depth := n / (len(open) + len(end))
	return strings.Repeat(open, depth) + "0" + strings.Repeat(end, depth)
}

// with returns a valid header with one more member.
func with(member string) string { return strings.TrimSuffix(hs256, "}") + "," + member + "}" }

// filled returns a function that makes a valid header of about n bytes, filled with more members.
func filled(format string) func(n int) string {
	return func(n int) string {
		var all strings.Builder
		for i := 0; all.Len() < n-len(format); i++ {
			if all.Len() > 0 {
				all.WriteByte(',')
			}
			if strings.Contains(format, "%d") {
				fmt.Fprintf(&all, format, i)
			} else {
				all.WriteString(format)
			}
		}
		return with(all.String())
	}
}

// forge returns a token of about n bytes, but not more, with this header and a wrong signature.
func forge(t *testing.T, header func(n int) string, n int) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	rest := "." + b64([]byte(`{}`)) + "." + strings.Repeat("A", 43)
	room := (n-len(rest))/4*3 - len(hs256) - 40
	head := b64([]byte(header(room)))
	if fill := n - len(head) - len(rest); fill > 200 { // the header is short, so the payload is long
		rest = "." + b64([]byte(`{"x":"`+strings.Repeat("x", fill*3/4-20)+`"}`)) + "." + strings.Repeat("A", 43)
	}
	token := head + rest
	if len(token) > n || len(token) < n*3/4 {
		t.Fatalf("a token of %d bytes, want %d", len(token), n)
	}
	return token
}

// authenticTokens returns different tokens of about n bytes, but not more, as the service issues them.
func authenticTokens(t *testing.T, n, count int) []string {
	t.Helper()
	tokens := make([]string, count)
	for i := range tokens {
		user := User{ID: fmt.Sprintf("%024d", i), Email: "ada@example.com", Role: "user"}
		s, err := newSessions(t).Issue(user, now)
		if err != nil {
			t.Fatal(err)
		}
		user.Username = strings.Repeat("x", (n-len(s.Token))/4*3)
		if s, err = newSessions(t).Issue(user, now); err != nil {
			t.Fatal(err)
		}
		if tokens[i] = s.Token; len(s.Token) > n || len(s.Token) < n-8 {
			t.Fatalf("a token of %d bytes, want %d", len(s.Token), n)
		}
	}
	return tokens
}

// TestForgedTokensAllocateLittle compares what a forged token allocates with what an authentic token of the same
// length allocates. It is not parallel, because the allocations of other tests would be counted too.
func TestForgedTokensAllocateLittle(t *testing.T) {
	sessions := newSessions(t, secret, "the previous secret")
	authentic := authenticTokens(t, maxToken, 1)[0]
	allocs, bytes := allocated(func() { _, _ = sessions.Authenticate(authentic) })
	t.Logf("an authentic token of %d bytes: %d allocations, %d bytes", len(authentic), allocs, bytes)
	for name, header := range hostileHeaders {
		forged := forge(t, header, maxToken)
		n, size := allocated(func() {
			if _, err := sessions.Authenticate(forged); err == nil {
				t.Fatalf("%s: accepted", name)
			}
		})
		if n > allocs+20 || size > 3*bytes {
			t.Errorf("%s: %d allocations, %d bytes", name, n, size)
		}
	}
}

// TestLargeClaimsAllocateNoSquare uses the same objects as the claims of an authentic token, which are checked and
// written. It is not parallel, for the same reason.
func TestLargeClaimsAllocateNoSquare(t *testing.T) {
	sessions := newSessions(t)
	for name, header := range hostileHeaders {
		token := sign(hs256, header(5600), secret)
		if _, size := allocated(func() { writeClaims(sessions, token) }); size > 64*uint64(len(token)) {
			t.Errorf("%s: %d bytes for a token of %d", name, size, len(token))
		}
	}
}

// allocated returns how often and how much do allocates. It takes the least of several runs, because the first run
// fills pools.
func allocated(do func()) (allocs, bytes uint64) {
	for i := range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		n, size := after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
		if i == 0 || n < allocs {
			allocs = n
		}
		if i == 0 || size < bytes {
			bytes = size
		}
	}
	return allocs, bytes
}

// measuring is set by the serial step of .ci/run. Nothing else runs then, so that times are meaningful.
var measuring = os.Getenv("MEASURE") != ""

// TestForgedTokensCostLittle prints how long forged tokens take, as multiples of an authentic token of the same
// length that is not cached. The bar is printed too. When measuring, the test fails at three times the bar.
func TestForgedTokensCostLittle(t *testing.T) {
	const bar = 3
	for _, n := range []int{maxToken, 600} {
		unit := least(t, authenticTokens(t, n, 20), authenticate)
		ratios := map[string]float64{}
		for name, header := range hostileHeaders {
			forged := slices.Repeat([]string{forge(t, header, n)}, 20)
			ratios[name] = float64(least(t, forged, authenticate)) / float64(unit)
		}
		t.Logf("an authentic token of %d bytes takes %s; forged ones cost:", n, unit)
		logRatios(t, ratios, bar)
	}
}

// TestLargeClaimsCostNoSquare prints how much longer it takes to check and write claims of 16 times the length. The
// bar is 16; quadratic time would be 256. When measuring, the test fails at three times the bar. The garbage
// collector is off, because its time depends on everything else.
func TestLargeClaimsCostNoSquare(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const bar = 16
	ratios := map[string]float64{}
	for name, header := range hostileHeaders {
		if !json.Valid([]byte(header(350))) {
			continue
		}
		tokens := func(n int) []string { return slices.Repeat([]string{sign(hs256, header(n), secret)}, 10) }
		ratios[name] = float64(least(t, tokens(5600), writeClaims)) / float64(least(t, tokens(350), writeClaims))
		runtime.GC()
	}
	logRatios(t, ratios, bar)
}

// logRatios prints ratios and their bar, largest ratio first. When measuring, it fails the test at three times the bar.
func logRatios(t *testing.T, ratios map[string]float64, bar float64) {
	t.Helper()
	var lines []string
	for name, ratio := range ratios {
		lines = append(lines, fmt.Sprintf("%7.2f (bar %g) %s", ratio, bar, name))
		if measuring && ratio > 3*bar {
			t.Errorf("%s: %.2f, more than three times the bar of %g", name, ratio, bar)
		}
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	t.Log("\n" + strings.Join(lines, "\n"))
}

// least returns how long a token takes in the fastest of several rounds.
func least(t *testing.T, tokens []string, do func(*Sessions, string)) time.Duration {
	t.Helper()
	rounds := 3
	if measuring {
		rounds = 30
	}
	sessions := newSessions(t, secret, "the previous secret")
	fastest := time.Hour
	for range rounds {
		started := time.Now()
		for _, token := range tokens {
			do(sessions, token)
		}
		fastest = min(fastest, time.Since(started)/time.Duration(len(tokens)))
	}
	return fastest
}

func authenticate(sessions *Sessions, token string) { _, _ = sessions.verifyToken(token) }

// writeClaims does what /me does with a token that is not cached.
func writeClaims(sessions *Sessions, token string) {
	if s, err := sessions.verifyToken(token); err == nil {
		_, _, _, _ = s.UserID(), s.Email(), s.Current(time.Now()), s.Claims()
	}
}
