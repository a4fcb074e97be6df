package cli

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"gin-auth/config"
	"gin-auth/session"
)

// checkSignature returns the session of the token, or nil if no secret here has signed it.
func (r *tokenReport) checkSignature(token string) *session.Session {
	var reason error
	for _, secret := range []struct {
		name  string
		value config.Secret
	}{{"JWT_SECRET", r.cfg.JWTSecret}, {"JWT_SECRET_PREVIOUS", r.cfg.JWTSecretPrevious}} {
		sessions, err := session.New(session.Options{Secrets: []string{string(secret.value)}})
		if err != nil {
			continue // it is not set
		}
		s, err := sessions.Authenticate(token)
		if err == nil {
			r.say("signature", "%s, valid with %s", algorithm(token), secret.name)
			return s
		}
		reason = err
	}
	r.say("signature", "%s, not valid: %v", algorithm(token), cmp.Or(reason, session.ErrNotAuthentic))
	switch alg := algorithm(token); {
	case !slices.Contains([]string{"HS256", "HS384", "HS512"}, alg):
		r.warn("the Node service signs with %s: this service can share tokens signed with HS256, HS384 or HS512 only", alg)
	case r.cfg.JWTSecret == "":
		r.warn("JWT_SECRET is not set: it has to be the secret of the Node service")
	default:
		r.warn("JWT_SECRET (%d bytes) is not the secret that the Node service signs with: compare their lengths, and look "+
			"for quotes, spaces and $ around it; it may have another name there, such as JWT_KEY", len(r.cfg.JWTSecret))
	}
	return nil
}

var algorithmPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,20}$`)

// algorithm returns the alg in the header of a token, without verifying it, or "an unknown algorithm" if there is none.
func algorithm(token string) string {
	head, _, _ := strings.Cut(token, ".")
	text, _ := base64.RawURLEncoding.DecodeString(head)
	var header struct{ Alg string }
	if json.Unmarshal(text, &header) != nil || !algorithmPattern.MatchString(header.Alg) {
		return "an unknown algorithm"
	}
	return header.Alg
}
