package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gin-auth/config"
	"gin-auth/user"
)

const nodeSecret = "a-secret-of-32-bytes-or-more-0123456789"

// nodeToken returns a token as a Node service signs it.
func nodeToken(t *testing.T, claims string) string {
	t.Helper()
	now := time.Now().Unix()
	claims = strings.NewReplacer("NOW", fmt.Sprint(now), "TOMORROW", fmt.Sprint(now+86400), "NEXTWEEK", fmt.Sprint(now+7*86400)).Replace(claims)
	parsed := jwt.MapClaims{}
	if err := json.Unmarshal([]byte(claims), &parsed); err != nil {
		t.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, parsed).SignedString([]byte(nodeSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const (
	usual  = `{"id":"7","email":"ada@b.c","role":"user","iat":NOW,"exp":TOMORROW}`
	agreed = "\nThis service and the Node service agree on this token.\n"
	unseen = "\nThis service and the Node service agree on this token; whether they agree on logouts is not known yet.\n"
)

// TestCheckToken examines tokens of Node services. In stdin and keys, TOKEN is the token.
func TestCheckToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		claims string // usual if empty
		stdin  string // TOKEN if empty
		keys   string // of an entry of the blacklist
		ttl    time.Duration
		config func(*config.Config)
		status int
		says   []string
	}{
		"agrees": {
			says: []string{"signature   HS256, valid with JWT_SECRET\n", "user        id 7\n", "lifetime    1d\n", "blacklist   no entry; tried blacklist:{token}, ", unseen},
		},
		"logged out":     {keys: "blacklist:TOKEN", ttl: 24 * time.Hour, says: []string{"an entry under blacklist:<token>, which expires in 24h0m0s\n", agreed}},
		"never expires":  {keys: "blacklist:TOKEN", says: []string{"an entry under blacklist:<token>, which never expires\n", agreed}},
		"expires early":  {keys: "blacklist:TOKEN", ttl: time.Hour, status: 1, says: []string{"the entry expires before the token does"}},
		"another key":    {keys: "bl_TOKEN", status: 1, says: []string{"an entry under bl_<token>", "\nSet, to agree with the Node service:\n  BLACKLIST_KEY=bl_{token}\n"}},
		"spaces in it":   {keys: "blacklist : TOKEN", status: 1, says: []string{"\n  BLACKLIST_KEY='blacklist : {token}'\n"}},
		"the bare token": {keys: "TOKEN", status: 1, says: []string{"\n  BLACKLIST_KEY={token}\n"}},
		"an unusual key": {keys: "app:logout:TOKEN:x", status: 1, says: []string{"\n  BLACKLIST_KEY=app:logout:{token}:x\n"}},
		"below auth:":    {keys: "auth:TOKEN", status: 1, says: []string{"BLACKLIST_KEY cannot be auth:{token}"}},
		"twice in it":    {keys: "x:TOKEN:TOKEN", status: 1, says: []string{"BLACKLIST_KEY cannot be x:{token}:{token}"}},
		"set already": {
			keys: "bl_TOKEN", config: func(c *config.Config) { c.BlacklistKey = "bl_{token}" },
			says: []string{"an entry under bl_<token>", agreed},
		},
		"the secret before": {
			config: func(c *config.Config) { c.JWTSecret, c.JWTSecretPrevious = "another", nodeSecret },
			says:   []string{"valid with JWT_SECRET_PREVIOUS\n", unseen},
		},
		"another secret": {
			config: func(c *config.Config) { c.JWTSecret = "another" }, status: 1,
			says: []string{"signature   HS256, not valid", "JWT_SECRET (7 bytes) is not the secret that the Node service signs with"},
		},
		"no secret": {
			config: func(c *config.Config) { c.JWTSecret = "" }, status: 1, says: []string{"JWT_SECRET is not set: it has to be the secret of the Node service"},
		},
		"another algorithm": {
			stdin: "eyJhbGciOiJSUzI1NiJ9.e30.eA", status: 1, says: []string{"signature   RS256, not valid", "the Node service signs with RS256"},
		},
		"another claim": {
			claims: `{"_id":"7","email":"ada@b.c","iss":"shop","iat":NOW,"exp":TOMORROW}`, status: 1,
			says: []string{"claims      _id, email, exp, iat, iss\n", "user        id 7, in the claim _id\n", "name the user in id, not in _id", "do not have iss:"},
		},
		"no claims": {
			claims: `{}`, status: 1,
			says: []string{"user        none of", "Without email", "names no user", "(iat)", "(exp)"},
		},
		"another lifetime": {
			claims: `{"id":"7","email":"ada@b.c","iat":NOW,"exp":NEXTWEEK}`, status: 1, says: []string{"lifetime    7d\n", "\n  JWT_EXPIRES_IN=7d\n"},
		},
		"a cookie": {
			stdin: "Set-Cookie: accessToken=TOKEN; Max-Age=86400; Path=/; HttpOnly\r\n", status: 1,
			says: []string{"cookie      accessToken; Max-Age=86400; Path=/; HttpOnly\n", "\n  COOKIE_NAME=accessToken\n  COOKIE_SAMESITE=lax\n  COOKIE_SECURE=false\n"},
		},
		"a cookie in production": {
			stdin: "token=TOKEN; Path=/x; Domain=b.c; SameSite=Strict", status: 1, config: func(c *config.Config) { c.NodeEnv = "production" },
			says: []string{"\n  COOKIE_DOMAIN=b.c\n", "without Secure: in production", `the path of the cookie is "/x"`, "not HttpOnly"},
		},
		"a whole response": {
			stdin: "HTTP/1.1 200 OK\r\nServer: a.b.c\r\nSet-Cookie: x=1; Path=/\r\nset-cookie: token=TOKEN; Max-Age=86400; Path=/; HttpOnly; Secure; SameSite=Strict\r\n\r\n{\"token\":\"TOKEN\"}",
			says:  []string{"cookie      token; Max-Age=86400", unseen},
		},
		"a cookie that lasts longer": {
			stdin: "token=TOKEN; Max-Age=172800; Path=/; HttpOnly; Secure; SameSite=Strict", status: 1, says: []string{"the cookie of the Node service lasts 2d"},
		},
		"a body":   {stdin: `{"message":"ok","token":"TOKEN"}`, says: []string{unseen}},
		"a header": {stdin: "Authorization: Bearer TOKEN\n", says: []string{unseen}},
		"no token": {stdin: "a.b.c", status: 1, says: []string{"gin-auth: there is no JSON Web Token in the input"}},
		"nothing":  {stdin: " ", status: 1, says: []string{"gin-auth: there is no JSON Web Token in the input"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _, server := startRedis(t)
			configure(&o, func(c *config.Config) {
				c.JWTSecret, c.JWTExpiresIn, c.BlacklistKey = nodeSecret, config.Lifetime(24*time.Hour), "blacklist:{token}"
				c.CookieName, c.CookieSameSite, c.CookieSecure = "token", config.SameSiteStrict, true
				if test.config != nil {
					test.config(c)
				}
			})
			token := nodeToken(t, orText(test.claims, usual))
			fill := func(text string) string { return strings.ReplaceAll(text, "TOKEN", token) }
			if test.keys != "" {
				if err := server.Set(fill(test.keys), "1"); err != nil {
					t.Fatal(err)
				}
				if test.ttl > 0 {
					server.SetTTL(fill(test.keys), test.ttl)
				}
			}
			before := server.Dump()
			status, stdout, stderr := run(t, o, fill(orText(test.stdin, "TOKEN")), "check", "--token", "-")
			said := stdout + stderr
			for _, want := range test.says {
				if !strings.Contains(said, want) {
					t.Errorf("said\n%s\nwant %q", said, want)
				}
			}
			if status != test.status || strings.Contains(said, token) || strings.Contains(said, nodeSecret) || server.Dump() != before {
				t.Errorf("exit status %d, want %d:\n%s", status, test.status, said)
			}
		})
	}
}

// TestCheckTokenArgument: a token on the command line is rejected and not repeated.
func TestCheckTokenArgument(t *testing.T) {
	t.Parallel()
	o, _, _ := startRedis(t)
	token := nodeToken(t, usual)
	status, stdout, stderr := run(t, o, "", "check", "--token", token)
	if status != statusUsage || stdout != "" || !strings.Contains(stderr, "--token -") || strings.Contains(stderr, token) {
		t.Errorf("exit status %d, %q, %q", status, stdout, stderr)
	}
	status, _, stderr = run(t, o, "", "check", "--token", "no-such-file")
	if status != statusFailed || !strings.Contains(stderr, "no-such-file") {
		t.Errorf("exit status %d, %q", status, stderr)
	}
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// configure changes the configuration that commands load.
func configure(o *Options, change func(*config.Config)) {
	load := o.LoadConfig
	o.LoadConfig = func() (*config.Config, error) {
		c, err := load()
		if err == nil {
			change(c)
		}
		return c, err
	}
}

// TestCheckTokenUser compares the user of a token with the user who is stored.
func TestCheckTokenUser(t *testing.T) {
	t.Parallel()
	o, store, _ := startRedis(t)
	configure(&o, func(c *config.Config) {
		c.JWTSecret, c.JWTExpiresIn, c.BlacklistKey = nodeSecret, config.Lifetime(24*time.Hour), "blacklist:{token}"
	})
	for _, u := range []user.User{
		{ID: "7", Email: "ada@b.c", Username: "ada", Role: "user"}, {ID: "8", Email: "bob@b.c", Username: "bob", Role: "admin", Disabled: true},
	} {
		u.PasswordHash = user.NoPassword
		if err := store.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for claims, want := range map[string]string{
		usual: "user here   ada@b.c, role user, enabled\n" + `(?s:.*)` + unseen,
		`{"id":7,"email":"old@b.c","role":"user","iat":NOW,"exp":TOMORROW}`:   "user here   ada@b.c, role user, enabled\n",
		`{"id":"8","role":"user","iat":NOW,"exp":TOMORROW}`:                   "user here   bob@b.c, role admin, disabled\n(?s:.*)disabled here(?s:.*)the role is user in the token and admin here",
		`{"id":"9","email":"ada@b.c","iat":NOW,"exp":TOMORROW}`:               "user here   nobody with this id\n(?s:.*)with the id 7: import the users again",
		`{"id":"9","email":"a\u001b[2Jb@b.c\u202e","iat":NOW,"exp":TOMORROW}`: "user here   nobody with this id: gin-auth import-users",
		`{"id":"\u001b[2J","email":"eve@b.c","iat":NOW,"exp":TOMORROW}`:       `user        id \x{fffd}\[2J`,
	} {
		_, stdout, stderr := run(t, o, nodeToken(t, claims), "check", "--token", "-")
		if !regexp.MustCompile(want).MatchString(stdout) || strings.ContainsAny(stdout+stderr, "\x1b\u202e") {
			t.Errorf("%s: said\n%s%s\nwant %s", claims, stdout, stderr, want)
		}
	}
}
