package config

import (
	"crypto/x509"
	"encoding/base64"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Secret is a value that is never printed.
type Secret string

// String masks the secret; convert it to string to use it.
func (Secret) String() string { return "(secret)" }

// GoString masks the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText masks the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// weakSecret is the length in bytes below which production rejects a secret: HS256 requires a key as long as its
// hash (RFC 7518, section 3.2).
const weakSecret = 32

// checkSecrets rejects a missing secret, with which the original would start and reject every token, a secret that
// is a key of another algorithm, and in production a short one.
func (c *Config) checkSecrets(p *findings) {
	if c.JWTSecret == "" && (c.Production() || len(p.redisNames()) > 0) {
		p.missing("JWT_SECRET", "without it no token can be signed or checked")
	}
	const asymmetric = "it is a key or a certificate in PEM or DER form, and anyone who has its public key could " +
		"sign tokens (this service signs only with HS256); " +
		"set a random secret, such as that of openssl rand -base64 48"
	const short = "a shorter one can be guessed from any token (JWT_ALLOW_WEAK_SECRET=true allows it nevertheless)"
	for _, s := range []struct {
		name   string
		secret Secret
	}{{"JWT_SECRET", c.JWTSecret}, {"JWT_SECRET_PREVIOUS", c.JWTSecretPrevious}} {
		switch {
		case isKey(string(s.secret)):
			p.wrong(s.name, asymmetric)
		case isWeak(s.secret) && c.Production() && !c.JWTAllowWeakSecret:
			p.wrong(s.name, short)
		}
	}
}

// isWeak reports whether s is too short for production.
func isWeak(s Secret) bool { return s != "" && len(s) < weakSecret }

// isKey reports whether a secret is a PEM block, however its lines are joined, the base64 of one, or the base64
// of a public key or certificate without the lines around it.
func isKey(secret string) bool {
	if hasPEM(secret) {
		return true
	}
	der, err := base64.RawStdEncoding.DecodeString(plainBase64.Replace(secret))
	if err != nil {
		return false
	}
	_, isPKIX := x509.ParsePKIXPublicKey(der)
	_, isPKCS1 := x509.ParsePKCS1PublicKey(der)
	_, isCertificate := x509.ParseCertificate(der)
	return hasPEM(string(der)) || isPKIX == nil || isPKCS1 == nil || isCertificate == nil
}

// plainBase64 removes what may surround base64 and replaces the URL alphabet by the standard one.
var plainBase64 = strings.NewReplacer(`\n`, "", `\r`, "", "\n", "", "\r", "", "\t", "", " ", "",
	`"`, "", `'`, "", "=", "", "-", "+", "_", "/")

// hasPEM reports whether text contains the beginning of a PEM block, or of an SSH2 one.
func hasPEM(text string) bool {
	return strings.Contains(text, "-----BEGIN") || strings.Contains(text, "---- BEGIN")
}

// warnOfSpace warns of secrets whose first or last characters another service may remove.
func (c *Config) warnOfSpace() {
	config := reflect.ValueOf(*c)
	for field := range config.Type().Fields() {
		secret, ok := config.FieldByIndex(field.Index).Interface().(Secret)
		if !ok {
			continue
		}
		first, _ := utf8.DecodeRuneInString(string(secret))
		last, _ := utf8.DecodeLastRuneInString(string(secret))
		if isSpace(first) || isSpace(last) {
			c.Warnings = append(c.Warnings, field.Tag.Get("env")+
				" begins or ends with a space or a line break, which another service or a secret manager may drop: "+
				"write it without, or make sure that all have the same bytes")
		}
	}
}

// isSpace reports whether r is white space or a byte order mark.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }
