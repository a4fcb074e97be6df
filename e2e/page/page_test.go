// Package page tests the start page in a headless Chromium: how a real browser handles the cookie, and what pages
// of other sites can do.
package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// browser is a Chromium with one tab, and the entries of its console.
type browser struct {
	ctx context.Context

	mu      sync.Mutex
	console []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(harness.Need(t, "chromium")),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1180, 900),
		chromedp.NoSandbox, // Chromium has no sandbox as root, and loads only the pages of the test
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{ctx: ctx}
	err := chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch event := event.(type) {
		case *log.EventEntryAdded:
			b.console = append(b.console, fmt.Sprintf("%s: %s", event.Entry.Source, event.Entry.Text))
		case *runtime.EventExceptionThrown:
			b.console = append(b.console, "exception: "+event.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	call(t, b, log.Enable, cdp.Empty{})
	call(t, b, runtime.Enable, cdp.Empty{})
	return b
}

// call sends a command of the browser's protocol.
func call[P, R any](t *testing.T, b *browser, command cdp.Command[P, R], params P) R {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// do runs actions in sequence.
func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// eval returns the value of a script. If it is a promise, eval waits for its result.
func eval[T any](b *browser, script string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// wait waits until the script returns true.
func (b *browser) wait(t *testing.T, what, script string) {
	t.Helper()
	harness.Eventually(t, what, func() error {
		ok, err := eval[bool](b, script)
		if err == nil && !ok {
			var text string
			text, err = eval[string](b, "document.body.innerText")
			err = errors.Join(fmt.Errorf("the page shows %s", text), err)
		}
		return err
	})
}

func (b *browser) says(t *testing.T, text string) {
	t.Helper()
	b.wait(t, "the page says "+text, fmt.Sprintf("document.getElementById('status').textContent.includes(%q)", text))
}

// cookies returns the browser's cookies for a URL, by name.
func (b *browser) cookies(t *testing.T, url string) map[string]*network.Cookie {
	t.Helper()
	cookies := map[string]*network.Cookie{}
	for _, cookie := range call(t, b, network.GetCookies, network.GetCookiesParams{URLs: []string{url}}).Cookies {
		cookies[cookie.Name] = cookie
	}
	return cookies
}

// violations returns the console entries, except for the responses that are errors by design.
func (b *browser) violations() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.console), func(line string) bool {
		return strings.HasPrefix(line, "network: Failed to load resource: the server responded with a status of 401")
	})
}

// TestPage registers, signs out and sends the old token, which is rejected. It uses only the keyboard.
func TestPage(t *testing.T) {
	t.Parallel()
	for prefix, path := range map[string]string{"": "/api/auth", "/v1": "/v1"} {
		t.Run("prefix "+path, func(t *testing.T) {
			t.Parallel()
			b := newBrowser(t)
			s := harness.StartService(t, "ROUTE_PREFIX="+prefix)
			me := s.URL + path + "/me"

			b.do(t, chromedp.Navigate(s.URL))
			b.wait(t, "the page has sent its first request", "document.querySelectorAll('#log li').length == 1")
			tab := func(times int) {
				for range times {
					b.do(t, chromedp.KeyEvent(kb.Tab))
				}
			}
			tab(4) // username, email, password, Register
			b.do(t, chromedp.KeyEvent(kb.Enter))
			b.says(t, "Registered and signed in")
			token := b.keptCookie(t, me)
			b.wait(t, "it shows the claims and the cookie",
				`['ada@example.com', 'SameSite', 'Strict', 'HttpOnly', 'document.cookie is empty'].every((text) => document.getElementById('session').innerText.includes(text))`)
			b.wait(t, "no script has the token", fmt.Sprintf("document.cookie === '' && !document.documentElement.outerHTML.includes(%q)", token))
			b.shoot(t, path, "signed-in")

			b.do(t, chromedp.Reload())
			b.wait(t, "a reload keeps the session", "document.getElementById('session').hidden === false")
			tab(6) // … Sign in, Sign out
			b.do(t, chromedp.KeyEvent(kb.Enter))
			b.says(t, "Signed out")
			if cookies := b.cookies(t, me); len(cookies) != 0 {
				t.Errorf("after signing out the browser has the cookies %v, want none", cookies)
			}
			if kept := b.cookies(t, s.URL+"/replay")["old-token"]; kept == nil || kept.Value != token || !kept.HTTPOnly {
				t.Errorf("the old token is stored as %+v", kept)
			}
			b.do(t, chromedp.KeyEvent(kb.Enter)) // the button "Send the old token" has the focus
			b.says(t, "401: “Session expired. Please login again.”")
			b.shoot(t, path, "refused")

			b.do(t, chromedp.Focus(chromedp.CSS("#login")), chromedp.KeyEvent(kb.Enter))
			b.says(t, "Signed in")
			if again := b.keptCookie(t, me); again == token {
				t.Error("signing in again returned the old token, want a new one")
			}

			if lines := b.violations(); len(lines) > 0 {
				t.Errorf("the console has the entries %q, want none", lines)
			}
			b.do(t, chromedp.Evaluate[chromedp.Void](`document.head.append(Object.assign(document.createElement('style'), {textContent: '* {}'}))`))
			harness.Eventually(t, "the policy blocks an inline style", func() error {
				if lines := b.violations(); len(lines) == 0 || !strings.Contains(lines[0], "Content Security Policy") {
					return fmt.Errorf("the console has %q", lines)
				}
				return nil
			})
		})
	}
}

// keptCookie checks the session cookie in the browser and returns its token.
func (b *browser) keptCookie(t *testing.T, url string) string {
	t.Helper()
	cookie := b.cookies(t, url)["token"]
	if cookie == nil {
		t.Fatal("the browser has no session cookie")
	}
	life := time.Until(time.Unix(int64(cookie.Expires), 0))
	if !cookie.HTTPOnly || !cookie.Secure || cookie.SameSite != network.CookieSameSiteStrict || cookie.Path != "/" ||
		cookie.Session || life < 23*time.Hour || life > 24*time.Hour {
		t.Errorf("the browser has the cookie %+v, valid for %s", cookie, life)
	}
	return cookie.Value
}

// shoot saves screenshots of the page, light and dark, in the directory SCREENSHOTS.
func (b *browser) shoot(t *testing.T, prefix, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	for _, scheme := range []string{"light", "dark"} {
		call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		b.do(t, chromedp.Evaluate[chromedp.Void]("scrollTo(0, 0)"), chromedp.Sleep(300*time.Millisecond)) // after the transition of the buttons
		picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, strings.Trim(strings.ReplaceAll(prefix, "/", "-"), "-")+"-"+name+"-"+scheme+".png")
		if err := os.WriteFile(file, picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCrossSite tries to sign the user out from a page of another site, with everything that the browser permits.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := harness.StartService(t)
	b.do(t, chromedp.Navigate(s.URL), chromedp.WaitVisible(chromedp.CSS("#register")), chromedp.Click(chromedp.CSS("#register")))
	b.says(t, "Registered and signed in")
	token := b.keptCookie(t, s.URL+"/api/auth/me")

	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><form method="post" action="%s/api/auth/logout"><button>A prize</button></form>`, s.URL)
	}))
	t.Cleanup(other.Close)
	b.do(t, chromedp.Navigate(other.URL))
	// Another site's script cannot read a response, and its form is rejected.
	got, err := eval[string](b, fmt.Sprintf(`fetch('%s/api/auth/me', {credentials: 'include'}).then(() => 'read', () => 'blocked')`, s.URL))
	if err != nil {
		t.Fatal(err)
	}
	if got != "blocked" {
		t.Errorf("another site's script read /me: got %q, want it blocked", got)
	}
	loaded, err := eval[string](b, fmt.Sprintf(
		`new Promise((done) => Object.assign(new Image(), {onerror: () => done('no image'), src: '%s/api/auth/logout'}))`, s.URL))
	if err != nil || loaded != "no image" {
		t.Errorf("another site's image: got %s, %v, want no image", loaded, err)
	}
	if kept := b.keptCookie(t, s.URL+"/api/auth/me"); kept != token {
		t.Error("another site's image changed the cookie")
	}
	b.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.href = '%s/api/auth/logout'", s.URL)))
	b.wait(t, "its link is rejected", `document.body.innerText.includes('Cross-origin request refused')`)
	if kept := b.keptCookie(t, s.URL+"/api/auth/me"); kept != token {
		t.Error("another site's link changed the cookie")
	}
	b.do(t, chromedp.Navigate(other.URL), chromedp.Click(chromedp.CSS("button")))
	b.wait(t, "its form is rejected", `document.body.innerText.includes('Cross-origin request refused')`)

	if kept := b.keptCookie(t, s.URL+"/api/auth/me"); kept != token {
		t.Error("another site changed the cookie")
	}
	b.do(t, chromedp.Navigate(s.URL))
	b.wait(t, "the session remains", "document.getElementById('session').hidden === false")
}
