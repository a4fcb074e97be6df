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

// token says how to make a token. Its texts are templates: NOW is the time in whole seconds, NOW+60
// and NOW-60 times beside it, CASE the name of the case, which makes the token its own.
type token struct {
	header  string // head, if empty
	payload string // claims, if empty
	secret  string // secret, if empty
	hash    func() hash.Hash
	// edit changes the finished token.
	edit func(token string) string
	// text is the token itself, of which nothing is made.
	text string
}

const (
	head = `{"alg":"HS256","typ":"JWT"}`
	// claims end so that this service's entry in the blacklist, which outlives its token by 60 s,
	// lives for a day, as all of the original's do.
	claims = `{"id":"CASE","email":"ada@example.com","username":"Ada","role":"user","iat":NOW,"exp":NOW+86340}`
)

// make makes the token for a case.
func (k token) make(name string, now time.Time) string {
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

// signature signs with the hash given, or else that which the header names, or else SHA-256.
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

// resign signs the first two segments anew, as they are spelled.
func resign(segments ...string) string {
	signed := strings.Join(segments, ".")
	return signed + "." + signature(signed, "", secret, nil)
}

var clock = regexp.MustCompile(`NOW([+-][0-9]+)?`)

// expand puts the time and the case's name into a template.
func expand(template, name string, now time.Time) string {
	text := clock.ReplaceAllStringFunc(template, func(match string) string {
		return strconv.FormatInt(now.Unix()+offset(match), 10)
	})
	return strings.ReplaceAll(text, "CASE", name)
}

// offset returns the seconds that stand behind NOW.
func offset(match string) int64 {
	n, _ := strconv.ParseInt(strings.TrimPrefix(match, "NOW"), 10, 64)
	return n
}

// onEdge tells whether a second decides what the token is worth. The 60 s are those that an entry of
// the blacklist outlives its token.
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
