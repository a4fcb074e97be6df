package harness

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Proxy is nginx or Caddy with its file of deploy/.
type Proxy struct {
	*Process
	// URL is the address of the proxy. PlainURL is the address that redirects to it, or empty.
	URL, PlainURL string
	// URL6 is URL on ::1, or empty on a machine without IPv6.
	URL6 string
	// Client trusts the proxy's certificate and follows no redirects.
	Client *http.Client
}

// Edit replaces a string that occurs in a file exactly once.
type Edit struct{ Old, New string }

// StartNginx runs deploy/nginx.conf in front of gin-auth and an application (host:port each), after some edits.
func StartNginx(t testing.TB, auth, app string, edits ...Edit) *Proxy {
	t.Helper()
	dir := t.TempDir()
	donor := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate and a client that trusts it
	t.Cleanup(donor.Close)
	writeCertificate(t, donor, dir)
	plain, secure := FreePort(t), FreePort(t)
	edits = append(slices.Clone(edits), Edit{"/etc/nginx/tls/tls.crt", dir + "/tls.crt"},
		Edit{"/etc/nginx/tls/tls.key", dir + "/tls.key"})
	config := edited(t, "nginx.conf", append(edits, nginxAddresses(auth, app, plain, secure)...))
	path := filepath.Join(dir, "nginx.conf")
	// The workers need the permissions of the test to write to its directory.
	writeFile(t, path, fmt.Appendf(nil, "daemon off;\nuser root;\npid %[1]s/nginx.pid;\nerror_log stderr;\nevents {}\n"+
		"http {\naccess_log off;\nclient_body_temp_path %[1]s/body;\nproxy_temp_path %[1]s/proxy;\n"+
		"fastcgi_temp_path %[1]s/fastcgi;\nuwsgi_temp_path %[1]s/uwsgi;\nscgi_temp_path %[1]s/scgi;\n%[2]s}\n",
		dir, config))
	p := &Proxy{
		Process:  Start(t, dir, nil, Need(t, "nginx"), "-c", path, "-p", dir),
		URL:      "https://127.0.0.1:" + strconv.Itoa(secure),
		PlainURL: "http://127.0.0.1:" + strconv.Itoa(plain),
		Client:   donor.Client(),
	}
	if HasIPv6() {
		p.URL6 = "https://[::1]:" + strconv.Itoa(secure)
	}
	// The workers end only if the master is asked to end. If it is killed, they keep running.
	t.Cleanup(func() { p.Stop(t) })
	p.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p.waitUntilListening(t)
	return p
}

// nginxAddresses returns edits that replace the addresses in deploy/nginx.conf.
func nginxAddresses(auth, app string, plain, secure int) []Edit {
	numeric := strings.NewReplacer("localhost:", "127.0.0.1:") // nginx's resolver does not read /etc/hosts
	edits := []Edit{
		{"set $gin_auth gin-auth:3000;", "set $gin_auth " + numeric.Replace(auth) + ";"},
		{" app:8000;", " " + numeric.Replace(app) + ";"},
		{"listen 80;", fmt.Sprintf("listen 127.0.0.1:%d;", plain)},
		{"listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d ssl;", secure)},
	}
	if !HasIPv6() {
		return append(edits, Edit{"listen [::]:80;", ""}, Edit{"listen [::]:443 ssl;", ""})
	}
	return append(edits, Edit{"listen [::]:80;", fmt.Sprintf("listen [::1]:%d;", plain)},
		Edit{"listen [::]:443 ssl;", fmt.Sprintf("listen [::1]:%d ssl;", secure)})
}

// StartCaddy runs deploy/Caddyfile over plain HTTP in front of gin-auth and an application (host:port each), after
// some edits.
func StartCaddy(t testing.TB, auth, app string, edits ...Edit) *Proxy {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "Caddyfile")
	writeFile(t, path, edited(t, "Caddyfile", edits))
	port := strconv.Itoa(FreePort(t))
	p := &Proxy{URL: "http://127.0.0.1:" + port, Client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	sites := p.URL
	if HasIPv6() {
		p.URL6 = "http://[::1]:" + port
		sites += ", " + p.URL6
	}
	p.Process = Start(t, dir, []string{
		"SITE=" + sites, "GIN_AUTH=" + auth, "APP=" + app, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir,
		"CADDY_ADMIN=127.0.0.1:" + strconv.Itoa(FreePort(t)),
	}, Need(t, "caddy"), "run", "--config", path)
	p.waitUntilListening(t)
	return p
}

// HasIPv6 reports whether programs can listen on ::1.
func HasIPv6() bool {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func (p *Proxy) waitUntilListening(t testing.TB) {
	t.Helper()
	Eventually(t, filepath.Base(p.Path)+" listens", func() error {
		response, err := p.Client.Get(p.URL)
		if err != nil {
			return fmt.Errorf("%w: %s", err, p.Output())
		}
		return response.Body.Close()
	})
}

// edited returns a file of deploy/ with some edits.
func edited(t testing.TB, name string, edits []Edit) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(), "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range edits {
		if bytes.Count(text, []byte(edit.Old)) != 1 {
			t.Fatalf("deploy/%s does not have %q exactly once", name, edit.Old)
		}
		text = bytes.Replace(text, []byte(edit.Old), []byte(edit.New), 1)
	}
	return text
}

// writeCertificate writes the certificate of a server and its key to tls.crt and tls.key in dir.
func writeCertificate(t testing.TB, server *httptest.Server, dir string) {
	t.Helper()
	certificate := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]},
		"tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		writeFile(t, filepath.Join(dir, name), pem.EncodeToMemory(block))
	}
}

func writeFile(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
