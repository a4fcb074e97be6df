package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// TestRecord checks that the token is made from its record again, even after a change of the secret.
func TestRecord(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t, "the old secret")
	issued, err := sessions.Issue(User{ID: "7", Email: "a@b.c", Username: "é", Role: "user"}, now)
	if err != nil {
		t.Fatal(err)
	}
	record := sessions.Record(issued)
	for name, sessions := range map[string]*Sessions{
		"the same": sessions,
		"rotated":  newSessions(t, secret, "the old secret"),
	} {
		token, until, err := sessions.RebuildToken(record)
		if err != nil || token != issued.Token || until != issued.RevocableUntil() {
			t.Errorf("%s: %s until %s, %v", name, token, until, err)
		}
	}
	if _, _, err := newSessions(t, secret).RebuildToken(record); !errors.Is(err, ErrSecretGone) {
		t.Errorf("another secret: %v", err)
	}
}

// TestRecordGrantsNothing checks that a record is not accepted as a token, and that a record which somebody else
// wrote is never signed, even if they have other records and tokens.
func TestRecordGrantsNothing(t *testing.T) {
	t.Parallel()
	sessions := newSessions(t)
	issued, err := sessions.Issue(User{ID: "7", Role: "user"}, now)
	if err != nil {
		t.Fatal(err)
	}
	record := sessions.Record(issued)
	if _, err := sessions.Authenticate(record); !errors.Is(err, ErrNotAuthentic) {
		t.Errorf("as a token: %v", err)
	}
	if signature := issued.Token[strings.LastIndexByte(issued.Token, '.')+1:]; strings.Contains(record, signature[:20]) {
		t.Error("a record has a part of the signature")
	}
	payload := strings.Replace(issued.Claims(), `"user"`, `"admin"`, 1)
	admin := strings.Split(record, ".")[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(admin))
	for name, forged := range map[string]string{
		"another payload":    admin + record[strings.LastIndexByte(record, '.'):],
		"without an HMAC":    admin + ".",
		"with a signature":   admin + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
		"a shortened one":    admin + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:recordMAC]),
		"a token":            issued.Token,
		"a shortened record": record[:len(record)-1],
		"one segment":        "abc",
		"none":               "",
	} {
		if token, _, err := sessions.RebuildToken(forged); !errors.Is(err, ErrSecretGone) || token != "" {
			t.Errorf("%s: %s, %v", name, token, err)
		}
	}
}
