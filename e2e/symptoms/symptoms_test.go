package symptoms

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// rights are the Redis commands that the service needs.
const rights = "-@all +get +set +exists +del +pttl +eval +time +info +wait"

// setup is a mistake, its effect on a user, and the fix named by the log and gin-auth check.
type setup struct {
	// env starts what the service needs and returns its settings.
	env func(t *testing.T) []string
	// use sends a user's requests and checks the responses. It is nil if the service does not start.
	use func(t *testing.T, s *harness.Service)
	// log is the fix in the log, or in the message of a service that does not start.
	log string
	// check is the fix in the output of gin-auth check. It is "" if only requests show the mistake.
	check string
	// status is the exit status of gin-auth check.
	status int
}

func setups() map[string]setup {
	down := func(t *testing.T, s *harness.Service) {
		t.Helper()
		wantStatus(t, login(t, http.DefaultClient, s.URL, "ada"), 503)
		wantStatus(t, send(t, http.DefaultClient, "GET", s.URL+"/readyz", ""), 503)
	}
	works := func(t *testing.T, s *harness.Service) {
		t.Helper()
		wantStatus(t, register(t, s.URL), 201)
	}
	return map[string]setup{
		"Redis speaks TLS": {
			tlsAt("REDIS_HOST=127.0.0.1", "REDIS_PORT="), down,
			"set REDIS_TLS=true", "set REDIS_TLS=true", 1,
		},
		"Redis has a private CA": {
			tlsAt("REDIS_URL=rediss://127.0.0.1:"), down,
			"set REDIS_TLS_CA to the file with the CA of Redis", "set REDIS_TLS_CA to the file with the CA of Redis", 1,
		},
		"a wrong password of Redis": {
			redis("--appendonly yes --requirepass hush", "REDIS_PASSWORD=rush"), down,
			"see REDIS_USERNAME and REDIS_PASSWORD", "see REDIS_USERNAME and REDIS_PASSWORD", 1,
		},
		"no password of Redis": {
			redis("--appendonly yes --requirepass hush"), down,
			"see REDIS_USERNAME and REDIS_PASSWORD", "see REDIS_USERNAME and REDIS_PASSWORD", 1,
		},
		"the user of Redis has no EVAL": {
			asUser("~blacklist:* ~auth:* " + strings.Replace(rights, " +eval", "", 1)),
			func(t *testing.T, s *harness.Service) { t.Helper(); wantStatus(t, register(t, s.URL), 503) },
			"grant +eval", "grant +eval", 1,
		},
		"the user of Redis has no keys": {
			asUser("~blacklist:* " + rights), down, "NOPERM", "grant ~auth:*", 1,
		},
		"a replica": {
			func(t *testing.T) []string {
				t.Helper()
				master := harness.StartRedis(t)
				return redis(fmt.Sprintf("--appendonly yes --replicaof 127.0.0.1 %d", master.Port))(t)
			},
			down, "connect to the master", "in REDIS_HOST or REDIS_URL", 1,
		},
		"Redis evicts keys": {
			redis("--appendonly yes --maxmemory 100mb --maxmemory-policy allkeys-lru"), works,
			"set maxmemory-policy noeviction", "set maxmemory-policy noeviction", 1,
		},
		"Redis forgets": {redis(""), works, "set appendonly yes", "set appendonly yes", 1},
		"no file of the secret": {
			settings("REDIS_HOST=127.0.0.1", "JWT_SECRET=", "JWT_SECRET_FILE=/run/nothing/jwt"), nil,
			`JWT_SECRET_FILE is "/run/nothing/jwt"`, "no such file or directory", 1,
		},
		"what Kubernetes injects": {
			settings("REDIS_HOST=redis", "REDIS_PORT=tcp://10.96.0.7:6379"), nil,
			"set REDIS_PORT=6379 in the container, or enableServiceLinks: false in the pod", "set REDIS_PORT=6379", 1,
		},
		"a weak secret": {
			settings("REDIS_HOST=127.0.0.1", "JWT_SECRET=hush"), nil, "JWT_SECRET ", "32 bytes", 1,
		},
		"a public suffix": {
			settings("REDIS_HOST=127.0.0.1", "COOKIE_DOMAIN=.co.uk"), nil,
			`COOKIE_DOMAIN is ".co.uk"`, "it is a public suffix", 1,
		},
		"a port in use": {
			func(t *testing.T) []string {
				t.Helper()
				other := harness.StartRedis(t)
				return append(safe(t), "HOST=127.0.0.1", fmt.Sprintf("PORT=%d", other.Port))
			},
			nil, "is in use: stop the process using it, or set PORT", "is in use: stop the process using it, or set PORT", 0,
		},
		"a proxy that is not trusted": {
			safe, lockedOut, "is not in TRUSTED_PROXIES: if that is your proxy, add it", "TRUSTED_PROXIES is not set", 0,
		},
		"a proxy that hides its clients": {
			redis("--appendonly yes", "TRUSTED_PROXIES=127.0.0.1"),
			func(t *testing.T, s *harness.Service) {
				t.Helper()
				for n := range 10 {
					login(t, http.DefaultClient, s.URL, fmt.Sprint(n), "X-Forwarded-For: unknown")
				}
				wantStatus(t, login(t, http.DefaultClient, s.URL, "ada", "X-Forwarded-For: unknown"), 429)
			},
			"X-Forwarded-For has no IP address for a client", "", 0,
		},
		"a front end of another origin": {
			safe,
			func(t *testing.T, s *harness.Service) {
				t.Helper()
				wantStatus(t, send(t, http.DefaultClient, "OPTIONS", s.URL+"/api/auth/login", "",
					"Origin: https://app.example.com", "Access-Control-Request-Method: POST",
					"Access-Control-Request-Headers: content-type", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site"), 405)
			},
			"add it to CORS_ORIGINS if it is trusted", "", 0,
		},
		"a proxy that changes Host": {
			safe,
			func(t *testing.T, s *harness.Service) {
				t.Helper()
				wantStatus(t, login(t, http.DefaultClient, s.URL, "ada", "Origin: https://auth.example.com"), 403)
			},
			"if a proxy changes Host, let it pass on the Host of the browser", "", 0,
		},
		"a front end of another site": {
			redis("--appendonly yes", "CORS_ORIGINS=https://app.example.net"),
			func(t *testing.T, s *harness.Service) {
				t.Helper()
				wantStatus(t, register(t, s.URL, "Origin: https://app.example.net", "Sec-Fetch-Site: cross-site"), 201)
			},
			"set COOKIE_SAMESITE=none", "", 0,
		},
		"plain http": {
			safe, plainHTTP, "COOKIE_SECURE is true: use https", "", 0,
		},
	}
}

// redis returns a function that starts a Redis with arguments and returns its settings and more.
func redis(args string, more ...string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		return append(harness.StartRedis(t, strings.Fields(args)...).Env(), more...)
	}
}

// safe starts a Redis that is safe for production.
func safe(t *testing.T) []string {
	t.Helper()
	return redis("--appendonly yes")(t)
}

// asUser is redis with a user that has these rights.
func asUser(rights string) func(*testing.T) []string {
	return redis("--appendonly yes --user default off --user auth on >hush "+rights, "REDIS_USERNAME=auth", "REDIS_PASSWORD=hush")
}

// tlsAt is redis with TLS. The port is appended to the last of the settings.
func tlsAt(env ...string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		t.Helper()
		last := len(env) - 1
		return append(env[:last:last], env[last]+startTLS(t))
	}
}

func settings(env ...string) func(*testing.T) []string {
	return func(*testing.T) []string { return env }
}

func register(t *testing.T, url string, headers ...string) *http.Response {
	t.Helper()
	return send(t, http.DefaultClient, "POST", url+"/api/auth/register",
		`{"username":"ada","email":"ada@example.com","password":"correct horse"}`, headers...)
}

// login logs in with a wrong password.
func login(t *testing.T, client *http.Client, url, name string, headers ...string) *http.Response {
	t.Helper()
	return send(t, client, "POST", url+"/api/auth/login",
		fmt.Sprintf(`{"email":"%s@example.com","password":"a wrong horse"}`, name), headers...)
}

// lockedOut sends wrong passwords through nginx. All users have nginx's address, so one user locks all of them out.
func lockedOut(t *testing.T, s *harness.Service) {
	t.Helper()
	app := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(app.Close)
	nginx := harness.StartNginx(t, strings.TrimPrefix(s.URL, "http://"), strings.TrimPrefix(app.URL, "http://"))
	for n := range 10 {
		wantStatus(t, login(t, nginx.Client, nginx.URL, fmt.Sprint(n)), 401)
	}
	wantStatus(t, login(t, nginx.Client, nginx.URL, "ada"), 429)
}

// plainHTTP registers in a browser that reaches the service over plain HTTP. The browser drops the cookie.
func plainHTTP(t *testing.T, s *harness.Service) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/api/auth/register",
		strings.NewReader(`{"username":"ada","email":"ada@example.com","password":"correct horse"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "auth.example.com"
	request.Header = http.Header{"Content-Type": {"application/json"}, "Origin": {"http://auth.example.com"}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	wantStatus(t, response, 201)
	if cookies := response.Cookies(); len(cookies) != 1 || !cookies[0].Secure {
		t.Errorf("the browser has the cookies %v, want none", cookies)
	}
	wantStatus(t, send(t, http.DefaultClient, "GET", s.URL+"/api/auth/me", ""), 401)
}

// TestSymptoms makes each mistake, and runs gin-auth check and then the service.
func TestSymptoms(t *testing.T) {
	t.Parallel()
	for name, setup := range setups() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := production(setup.env(t)...)
			status, said := run(t, env, "check")
			if strings.Contains(said, secret) || strings.Contains(said, "rush") {
				t.Errorf("check prints a secret:\n%s", said)
			}
			if status != setup.status || !strings.Contains(said, setup.check) {
				t.Errorf("check: exit status %d, want %d, and %q in\n%s", status, setup.status, setup.check, said)
			}
			if setup.use == nil {
				if status, said := run(t, env); status != 1 || !strings.Contains(said, setup.log) {
					t.Errorf("the service: exit status %d, want 1 and %q in\n%s", status, setup.log, said)
				}
				return
			}
			s := harness.StartService(t, env...)
			setup.use(t, s)
			s.WaitFor(t, setup.log)
		})
	}
}

// TestNodeSymptoms makes the mistakes that only a token of the Node service shows.
func TestNodeSymptoms(t *testing.T) {
	t.Parallel()
	env := production(safe(t)...)

	t.Run("another JWT_SECRET", func(t *testing.T) {
		t.Parallel()
		if status, said := run(t, env, "check", "--token", nodeToken(t)); status != 1 || !strings.Contains(said, "JWT_SECRET") {
			t.Errorf("check --token: exit status %d, want 1 and JWT_SECRET in\n%s", status, said)
		}
	})
	t.Run("another BLACKLIST_KEY", func(t *testing.T) {
		t.Parallel()
		node := harness.StartOriginal(t, append(env, "BLACKLIST_KEY=bl_{token}")...)
		cookie := "Cookie: " + strings.Split(register(t, node.URL).Header.Get("Set-Cookie"), ";")[0]
		s := harness.StartService(t, env...)
		me := func(status int) {
			t.Helper()
			wantStatus(t, send(t, http.DefaultClient, "GET", s.URL+"/api/auth/me", "", cookie), status)
		}
		me(200)
		wantStatus(t, send(t, http.DefaultClient, "POST", node.URL+"/api/auth/logout", "", cookie), 200)
		me(200) // the symptom: the token is logged out at the Node service but accepted here
		token := file(t, []byte("Set-"+cookie+"; HttpOnly; Secure; SameSite=Strict; Max-Age=86400\r\n"))
		if status, said := run(t, env, "check", "--token", token); status != 1 || !strings.Contains(said, "BLACKLIST_KEY=bl_{token}\n") {
			t.Errorf("check --token: exit status %d, want 1 and BLACKLIST_KEY in\n%s", status, said)
		}
	})
}
