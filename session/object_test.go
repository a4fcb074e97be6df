package session

import "testing"

// TestClaims has what the original answers for the claims of a token, but that numbers keep their
// digits and escapes their spelling.
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
		} else if got := string(s.Claims()); got != want {
			t.Errorf("%s: claims\n%s, want\n%s", payload, got, want)
		}
	}
}

func FuzzDecodeObject(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":[1,"]",{"b":null}],"a":-1e9}`, ` {"\ud800" : "\\\"" } `, `[{}]`, `nul`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := decodeObject(text)
		if err != nil {
			return
		}
		again, err := decodeObject(o.json())
		if err != nil {
			t.Fatalf("%q gives %q: %v", text, o.json(), err)
		}
		if got, want := string(again.json()), string(o.json()); got != want {
			t.Errorf("%q gives %q, and that %q", text, want, got)
		}
	})
}
