package parity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// These are the aspects of a response that are compared.
const (
	status      = "status"       // the HTTP status
	body        = "body"         // as JSON values, or byte by byte if it is not JSON
	contentType = "content type" // the header
	cookie      = "cookie"       // Set-Cookie as a set of attributes, without the token
	issued      = "token"        // header and claims of the token in Set-Cookie
	keys        = "keys"         // changed keys in Redis, with types and values
	ttl         = "ttl"          // expiry of the keys that both sides changed
	start       = "start"        // whether the process starts
)

// tolerance is the permitted difference of times that both sides read from the clock, one after the other.
const tolerance = 5 * time.Second

// differences returns the aspects in which two responses differ, and how they differ.
func differences(original, ours answer) map[string]string {
	found := map[string]string{}
	compare := func(aspect string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			found[aspect] = fmt.Sprintf("original %v, ours %v", a, b)
		}
	}
	compare(start, original.start, ours.start)
	compare(status, original.status, ours.status)
	compare(body, bodyValue(original), bodyValue(ours))
	compare(contentType, original.contentType, ours.contentType)
	compare(cookie, cookies(original), cookies(ours))
	compare(issued, issuedClaims(original), issuedClaims(ours))
	touched := original.changed()
	maps.Copy(touched, ours.changed())
	left, right := original.after.only(touched), ours.after.only(touched)
	compare(keys, left.keys(), right.keys())
	for key := range left {
		_, both := right[key]
		if a, b := life(left[key], original.at), life(right[key], ours.at); both && far(a, b) {
			found[ttl] = fmt.Sprintf("original %d s, ours %d s", a, b)
		}
	}
	return found
}

// bodyValue returns the value of a JSON body as JavaScript reads it, or any other body as a string.
func bodyValue(a answer) any {
	var value any
	decoder := json.NewDecoder(strings.NewReader(markSurrogates(a.body)))
	decoder.UseNumber()
	if !a.json() || !utf8.ValidString(a.body) || decoder.Decode(&value) != nil || decoder.More() {
		return "text: " + a.body
	}
	value = javaScript(value)
	if outer, ok := value.(map[string]any); ok {
		hideID(outer["user"])
	}
	return value
}

// hideID replaces the id of a user who registered in the case, because it is random.
func hideID(user any) {
	fields, _ := user.(map[string]any)
	id, _ := fields["id"].(string)
	if objectID.MatchString(id) && !isSeeded(id) {
		fields["id"] = "(an id)"
	}
}

var objectID = regexp.MustCompile(`^[0-9a-f]{24}$`)

// javaScript converts all numbers in value to doubles, in place.
func javaScript(value any) any {
	switch v := value.(type) {
	case json.Number:
		n, _ := strconv.ParseFloat(v.String(), 64) // infinite if it is out of range
		return n + 0                               // -0 + 0 is 0: in JavaScript only Object.is distinguishes -0 from 0
	case []any:
		for i := range v {
			v[i] = javaScript(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = javaScript(v[name])
		}
	}
	return value
}

var surrogates = regexp.MustCompile(`\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}`)

// markSurrogates replaces the escapes of lone surrogates by text, because encoding/json would replace each of them
// by U+FFFD.
func markSurrogates(text string) string {
	return surrogates.ReplaceAllStringFunc(text, func(escape string) string {
		if len(escape) != 6 {
			return escape
		}
		return "(lone " + strings.ToLower(escape[2:]) + ")"
	})
}

// cookies returns each Set-Cookie header as its sorted attributes, without the token, which issued compares. A
// future time is replaced by the time until then.
func cookies(a answer) [][]string {
	var all [][]string
	for _, line := range a.setCookie {
		var attributes []string
		for i, attribute := range strings.Split(line, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(attribute), "=")
			switch {
			case i == 0 && value != "":
				value = "(a token)"
			case strings.EqualFold(name, "Expires"):
				value = expiry(value, a.at)
			}
			if i > 0 {
				name = strings.ToLower(name)
			}
			attributes = append(attributes, name+"="+value)
		}
		slices.Sort(attributes)
		all = append(all, attributes)
	}
	return all
}

// expiry returns the time of an Expires attribute: a past time unchanged, a future one as the approximate time
// until then.
func expiry(value string, now time.Time) string {
	at, err := http.ParseTime(value)
	switch {
	case err != nil:
		return "no date: " + value
	case at.Before(now):
		return at.UTC().Format(time.RFC3339)
	}
	return "in " + at.Sub(now).Round(2*tolerance).String()
}

// issuedClaims returns the header and the claims of the token in Set-Cookie. iat is replaced by whether it is now,
// and exp by the seconds from iat.
func issuedClaims(a answer) []any {
	var all []any
	for _, line := range a.setCookie {
		value, _, _ := strings.Cut(line, ";")
		_, value, _ = strings.Cut(value, "=")
		segments := strings.Split(value, ".")
		if len(segments) != 3 {
			continue
		}
		header, _ := base64.RawURLEncoding.DecodeString(segments[0])
		claims := claimsOf(value)
		iat, _ := claims["iat"].(float64)
		exp, _ := claims["exp"].(float64)
		claims["iat"] = time.Unix(int64(iat), 0).Sub(a.at).Abs() < tolerance
		claims["exp"] = exp - iat
		hideID(claims)
		all = append(all, string(header), claims)
	}
	return all
}

// claimsOf returns the claims of a token, with doubles for numbers. It returns none if the token is invalid.
func claimsOf(token string) map[string]any {
	claims := map[string]any{}
	if segments := strings.Split(token, "."); len(segments) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(segments[1])
		if !json.Valid(payload) {
			return claims
		}
		decoder := json.NewDecoder(bytes.NewReader(payload))
		decoder.UseNumber()
		_ = decoder.Decode(&claims) // a payload that is not an object has no claims
	}
	javaScript(claims)
	return claims
}

// keys returns the keys with their types and values.
func (s state) keys() []string {
	all := []string{}
	for _, key := range slices.Sorted(maps.Keys(s)) {
		all = append(all, fmt.Sprintf("%q is %s %q", key, s[key].kind, s[key].value))
	}
	return all
}

// only returns the keys that are also in other.
func (s state) only(other state) state {
	both := state{}
	for key := range other {
		if e, there := s[key]; there {
			both[key] = e
		}
	}
	return both
}

// forever is the lifetime of a key without an expiry. It differs from every other lifetime.
const forever = -1_000_000

// life returns the seconds from the given time until a key expires.
func life(e entry, from time.Time) int64 {
	if e.expires < 0 {
		return forever
	}
	return (e.expires - from.UnixMilli()) / 1000
}

// far reports whether two lifetimes, in seconds, differ by more than the tolerance.
func far(a, b int64) bool { return max(a, b)-min(a, b) > int64(tolerance/time.Second) }
