package siblings

import (
	"fmt"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// front is an nginx in front of gin-auth and the siblings.
type front struct {
	client
	url string
}

// startFront runs deploy/nginx.conf in front of gin-auth, with an upstream for the paths of each sibling.
func startFront(t *testing.T, auth string, siblings map[string]string, edits ...harness.Edit) front {
	t.Helper()
	var paths strings.Builder
	for name, url := range siblings {
		fmt.Fprintf(&paths, "    ~^/api/%s(/|$) %s;\n", name, strings.TrimPrefix(url, "http://"))
	}
	const first = "server {\n    listen 80;"
	edits = append(edits, harness.Edit{Old: first, New: "map $uri $sibling {\n" + paths.String() + "}\n" + first})
	p := harness.StartNginx(t, strings.TrimPrefix(auth, "http://"), "$sibling", edits...)
	return front{client{p.Client}, p.URL}
}

// open makes nginx forward every request without a request to gin-auth.
var open = []harness.Edit{
	{Old: "auth_request /_verify/session;", New: ""},
	{Old: " app:8000;", New: " app:8000;\n    \"~^  \" $sibling; # neither a status nor an id of gin-auth's"},
}
