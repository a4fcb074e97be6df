package parity

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const secret = "one secret for both, longer than thirty-two bytes"

// token describes how to create a token. Its strings are templates. NOW is the time in whole seconds, NOW+60 and
// NOW-60 are relative to it, and CASE is the name of the case, which makes the token unique.
type token struct {
	header  string // head if empty
	payload string // claims if empty
	secret  string // secret if empty
	hash    func() hash.Hash
	// edit changes the finished token.
	edit func(token string) string
	// text is the complete token. If it is set, the other fields are not used.
	text string
	// issued is a token from a service, and not a template: its letters may happen to contain NOW. If it is set, the other
	// fields are not used.
	issued string
}

const (
	head = `{"alg":"HS256","typ":"JWT"}`
	// These claims expire 60 s before the end of a day. This service's entry on the blacklist outlives its token by 60
	// s, so it has a TTL of a day like all entries of the original.
	claims = `{"id":"CASE","email":"ada@example.com","username":"Ada","role":"user","iat":NOW,"exp":NOW+86340}`
)

// make creates the token for a case.
func (k token) make(name string, now time.Time) string {
	if k.issued != "" {
		return k.issued
	}
	if k.text != "" {
		return expand(k.text, name, now)
	}
	header := expand(or(k.header, head), name, now)
	payload := expand(or(k.payload, claims), name, now)
	signed := b64(header) + "." + b64(payload)
	made := signed + "." + signature(signed, header, or(k.secret, secret), k.hash)
	if k.edit != nil {
		return k.edit(made)
	}
	return made
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// signature signs with the given hash. If it is nil, it uses the hash named in the header, or SHA-256.
func signature(signed, header, secret string, newHash func() hash.Hash) string {
	switch {
	case newHash != nil:
	case strings.Contains(header, "384"):
		newHash = sha512.New384
	case strings.Contains(header, "512"):
		newHash = sha512.New
	default:
		newHash = sha256.New
	}
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(signed))
	return b64(string(mac.Sum(nil)))
}

// resign signs the first two segments in their given encoding.
func resign(segments ...string) string {
	signed := strings.Join(segments, ".")
	return signed + "." + signature(signed, "", secret, nil)
}

var clock = regexp.MustCompile(`NOW([+-][0-9]+)?`)

// expand replaces the time and the case's name in a template.
func expand(template, name string, now time.Time) string {
	text := clock.ReplaceAllStringFunc(template, func(match string) string {
		return strconv.FormatInt(now.Unix()+offset(match), 10)
	})
	return strings.ReplaceAll(text, "CASE", name)
}

// offset returns the number of seconds after NOW.
func offset(match string) int64 {
	n, _ := strconv.ParseInt(strings.TrimPrefix(match, "NOW"), 10, 64)
	return n
}

// onEdge reports whether a second more or less can change the result for the token. The offsets around -60 matter
// because an entry of the blacklist outlives its token by 60 s.
func (k token) onEdge() bool {
	for _, match := range clock.FindAllString(k.payload, -1) {
		if n := offset(match); n >= -1 && n <= 1 || n >= -61 && n <= -59 {
			return true
		}
	}
	return false
}

// percent percent-encodes those bytes of text that are in set, all of them if set is empty.
func percent(text, set string) string {
	var out strings.Builder
	for i := range len(text) {
		if set == "" || strings.IndexByte(set, text[i]) >= 0 {
			fmt.Fprintf(&out, "%%%02X", text[i])
		} else {
			out.WriteByte(text[i])
		}
	}
	return out.String()
}
