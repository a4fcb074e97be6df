package session

import (
	"fmt"
	"strings"
	"testing"
)

// TestClaims checks the claims against the original's answers. The differences are that numbers keep their digits,
// and strings their escapes.
func TestClaims(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{}`: `{}`,
		" { \"b\" : 1 ,\n\"a\":\t[ 1 , { } , [ ] ] } ": `{"b":1,"a":[1,{},[]]}`,
		`{"a":1,"b":2,"a":3}`:                          `{"a":3,"b":2}`,
		`{"a":1,"\u0061":2}`:                           `{"a":2}`,
		`{"x":{"a":1,"a":[{"b":1,"b":2}]}}`:            `{"x":{"a":[{"b":2}]}}`,
		`{"A":1,"a":2}`:                                `{"A":1,"a":2}`,
		`{"n":9007199254740993,"m":1.10}`:              `{"n":9007199254740993,"m":1.10}`,
		`{"n":1e999,"m":[-1e999,1e308]}`:               `{"n":null,"m":[null,1e308]}`,
		`{"s":"<&>\u2028é"}`:                           `{"s":"<&>\u2028é"}`,
		`{"s":"\ud800","t":"\ud83d\ude00"}`:            `{"s":"\ud800","t":"\ud83d\ude00"}`,
		`{"\ud800":1,"\ud801":2,"\ud800":3}`:           `{"\ud800":3,"\ud801":2}`,
		`{"s":"a\"}]b\\","t":"{[,:"}`:                  `{"s":"a\"}]b\\","t":"{[,:"}`,
		`{"__proto__":{"exp":1},"":null,"f":false}`:    `{"__proto__":{"exp":1},"":null,"f":false}`,
		"{\"s\":\"a\xe2\x82b\xff\"}":                   "{\"s\":\"a\ufffdb\ufffd\"}",
		`{"a":[true,false,null,-1.5e-3]}`:              `{"a":[true,false,null,-1.5e-3]}`,
	} {
		s, err := newSessions(t).Authenticate(sign(hs256, payload, secret))
		if err != nil {
			t.Errorf("%s: %v", payload, err)
		} else if got := s.Claims(); got != want {
			t.Errorf("%s: claims\n%s, want\n%s", payload, got, want)
		}
	}
}

// TestManyMembers checks objects with fewer and more members than are searched without a map, at the top level and
// nested.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	for n := range 3 * fewMembers {
		var once, twice []string
		for i := range n {
			once = append(once, fmt.Sprintf(`"n%d":%d`, i, 2*i))
			twice = append(twice, fmt.Sprintf(`"n%d":0`, i))
		}
		for i := range n {
			twice = append(twice, fmt.Sprintf(`"\u006e%d":%d`, i, 2*i))
		}
		want := "{" + strings.Join(once, ",") + "}"
		for _, form := range []string{"%s", `{"a":%s}`, `[%s,%[1]s]`} {
			payload := `{"id":"1","x":` + fmt.Sprintf(form, "{"+strings.Join(twice, ",")+"}") + `,"exp":1}`
			s, err := newSessions(t).Authenticate(sign(hs256, payload, secret))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := s.Claims(), `{"id":"1","x":`+fmt.Sprintf(form, want)+`,"exp":1}`; got != want {
				t.Errorf("%s: claims\n%s, want\n%s", payload, got, want)
			}
		}
		payload := "{" + strings.Join(append(twice, `"exp":1`, `"jti":"x"`), ",") + "}"
		s, err := newSessions(t).Authenticate(sign(hs256, payload, secret))
		if err != nil {
			t.Fatal(err)
		}
		claims := strings.Replace(strings.TrimSuffix(want, "}")+`,"exp":1,"jti":"x"}`, "{,", "{", 1)
		if got := s.Claims(); got != claims || s.Current(now) == nil || s.StringClaim("jti") != "x" || s.StringClaim("none") != "" {
			t.Errorf("%s: claims\n%s, want\n%s", payload, got, claims)
		}
		if mapped := s.claims.index != nil; mapped != (len(s.claims.members) > fewMembers) {
			t.Errorf("%d members are found by a map: %v", len(s.claims.members), mapped)
		}
	}
}

func FuzzDecodeObject(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":[1,"]",{"b":null}],"a":-1e9}`, ` {"\ud800" : "\\\"" } `, `[{}]`, `nul`,
		`{"\u0061lg":"a","alg" : "b" , "x":{"alg":"c"},"y":["alg","d"],"z":"alg"}`, `{"alg":"a","alg":1}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := decodeObject(text)
		if err != nil {
			return
		}
		alg, _ := o.get("alg")
		if found := findAlg(string(text)); (alg != "" && alg[0] == '"' || found != "") && found != alg {
			t.Errorf("the alg of %q is %s, found as %s", text, alg, found)
		}
		again, err := decodeObject([]byte(o.json()))
		if err != nil {
			t.Fatalf("%q gives %q: %v", text, o.json(), err)
		}
		if got, want := again.json(), o.json(); got != want {
			t.Errorf("%q gives %q, and that %q", text, want, got)
		}
	})
}
