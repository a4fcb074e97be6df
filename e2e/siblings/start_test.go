package siblings

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"gin-auth/e2e/internal/harness"
)

const secret = "a secret of more than thirty-two bytes"

// services are the siblings. The paths of each begin with /api/ and its name.
var services = []string{"cart", "orders", "products"}

// shop is gin-auth, the sibling services and nginx in front of all of them.
type shop struct {
	client
	direct, proxied where
	// auth is the URL of gin-auth. inside is the URL of the order service behind the proxy.
	auth, inside string
}

// where is a way to call the services: the URL of each.
type where struct {
	client
	name string
	urls map[string]string
}

// startShop starts two order services from the same file. One calls the cart service directly. The other is behind
// the proxy and calls the cart service through the proxy. The only other difference is that Node gets the
// certificate of this test.
func startShop(t *testing.T) *shop {
	t.Helper()
	harness.Node(t)
	harness.Need(t, "nginx")
	cart, products := startSibling(t, "cart"), startSibling(t, "products")
	orders := startSibling(t, "orders", "CART_URL="+cart)
	port := harness.FreePort(t)
	inside := "http://127.0.0.1:" + strconv.Itoa(port)
	auth := startAuth(t)
	front := startFront(t, auth, map[string]string{"cart": cart, "products": products, "orders": inside})
	startSiblingAt(t, port, "orders", "CART_URL="+front.url, "NODE_EXTRA_CA_CERTS="+authority(t))

	s := &shop{client: front.client, auth: auth, inside: inside}
	s.direct = where{front.client, "directly", map[string]string{"cart": cart, "products": products, "orders": orders}}
	s.proxied = where{front.client, "behind the proxy", map[string]string{"auth": front.url}}
	for _, service := range services {
		s.proxied.urls[service] = front.url
	}
	return s
}

// startAuth starts Redis and gin-auth, and returns the URL of gin-auth.
func startAuth(t *testing.T) string {
	t.Helper()
	redis := harness.StartRedis(t)
	s := harness.StartService(t, append(redis.Env(), "NODE_ENV=production", "JWT_SECRET="+secret, "BCRYPT_COST=4",
		"SHUTDOWN_DELAY=0s", "ACCEPT_BEARER=true", "REGISTRATION_ROLES=user,seller")...)
	return s.URL
}

// startSibling starts a sibling service on a free port and returns its URL.
func startSibling(t *testing.T, name string, env ...string) string {
	t.Helper()
	port := harness.FreePort(t)
	startSiblingAt(t, port, name, env...)
	return "http://127.0.0.1:" + strconv.Itoa(port)
}

func startSiblingAt(t *testing.T, port int, name string, env ...string) {
	t.Helper()
	env = append(env, "PORT="+strconv.Itoa(port), "JWT_SECRET="+secret)
	script := filepath.Join(harness.Root(), "e2e", "siblings", "express", name+".js")
	harness.Start(t, t.TempDir(), env, harness.Node(t), script).WaitFor(t, "listening")
}

// authority writes the certificate of the proxy to a file that Node trusts. All httptest servers have the same
// certificate.
func authority(t *testing.T) string {
	t.Helper()
	donor := httptest.NewTLSServer(nil)
	defer donor.Close()
	path := filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: donor.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
