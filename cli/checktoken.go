package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
	"gin-auth/session"
)

const nodeHelp = `
With --token it examines a token that the Node service has issued: its signature,
its claims, which user it belongs to and whether they exist here, how the cookie was
set, and, after a logout at the Node service, the Redis key of the token's entry. It
prints the settings that this service needs to agree with the Node service. It reads
the token, its Set-Cookie header or the whole response to a login from a file, or from
standard input if FILE is -.`

// tokenReport is what is found about a token of a Node service.
type tokenReport struct {
	cfg      *config.Config
	lines    [][2]string
	settings []string // NAME=value, which this service needs to agree with the Node service
	problems []string // problems that no setting solves
	unknown  string   // what is not known yet
}

func (r *tokenReport) say(subject, format string, args ...any) {
	r.lines = append(r.lines, [2]string{subject, fmt.Sprintf(format, args...)})
}

func (r *tokenReport) set(name, value string) { r.settings = append(r.settings, name+"="+value) }

func (r *tokenReport) warn(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// checkToken examines the token that input names and prints the report.
func (o Options) checkToken(cmd *cobra.Command, cfg *config.Config, input string) error {
	in, err := readTokenInput(input, cmd.InOrStdin())
	if err != nil {
		return err
	}
	r := &tokenReport{cfg: cfg}
	r.checkCookie(in.cookie)
	if s := r.checkSignature(in.token); s != nil {
		r.checkClaims(s, in.cookie)
		if err := o.checkTokenInRedis(cmd.Context(), r, s); err != nil {
			return err
		}
	}
	return r.print(cmd)
}

func (r *tokenReport) print(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Token\n")
	for _, line := range r.lines {
		fmt.Fprintf(&b, "  %-12s%s\n", line[0], line[1])
	}
	if len(r.settings) > 0 {
		b.WriteString("\nSet, to agree with the Node service:\n  " + strings.Join(r.settings, "\n  ") + "\n")
	}
	if len(r.problems) > 0 {
		b.WriteString("\nProblems that no setting solves:\n  " + strings.Join(r.problems, "\n  ") + "\n")
	}
	if len(r.settings)+len(r.problems) == 0 {
		b.WriteString("\nThis service and the Node service agree on this token" + r.unknown + ".\n")
	}
	if err := say(cmd, "%s", b.String()); err != nil || len(r.settings)+len(r.problems) == 0 {
		return err
	}
	return &statusError{statusFailed}
}

// checkTokenInRedis reports whether the token's user exists here, and under which key the token is on a blacklist.
func (o Options) checkTokenInRedis(ctx context.Context, r *tokenReport, s *session.Session) error {
	if r.cfg.Redis.Embedded() {
		r.say("user here", "not examined: no Redis is specified")
		r.say("blacklist", "not examined: no Redis is specified")
		return nil
	}
	return o.withDB(ctx, func(_ *config.Config, store *db.DB) error {
		if err := r.checkUser(ctx, store, s); err != nil {
			return err
		}
		return r.checkBlacklist(ctx, store, s)
	})
}

// checkUser reports whether the user of the token exists here, and how they differ.
func (r *tokenReport) checkUser(ctx context.Context, store *db.DB, s *session.Session) error {
	u, found, err := store.UserByID(ctx, s.UserID())
	if err != nil {
		return err
	}
	other, taken, err := store.UserByEmail(ctx, s.Email())
	switch {
	case err != nil:
		return err
	case found:
		state := "enabled"
		if u.Disabled {
			state = "disabled"
			r.warn("the user is disabled here, but can still use the Node service")
		}
		r.say("user here", "%s, role %s, %s", printable(u.Email), printable(u.Role), state)
		if role := s.StringClaim("role"); role != "" && role != u.Role {
			r.warn("the role is %s in the token and %s here: gin-auth user role changes it", printable(role), printable(u.Role))
		}
	case taken:
		r.say("user here", "nobody with this id")
		r.warn("the email of the token belongs to another user here, with the id %s: import the users again",
			printable(other.ID))
	default:
		r.say("user here", "nobody with this id: gin-auth import-users imports them; until then they log in at Node")
	}
	return nil
}

// checkBlacklist reports under which key the token is on a blacklist.
func (r *tokenReport) checkBlacklist(ctx context.Context, store *db.DB, s *session.Session) error {
	entries, tried, refused, err := store.FindEntries(ctx, s.Token)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		r.say("blacklist", "no entry; tried %s", strings.Join(tried, ", "))
		if refused != nil {
			r.say("", "Not every key was examined: %v.", refused)
		}
		r.say("", "Log out at the Node service with this token, and run this again. If there is still none,")
		r.say("", "that service stores no logouts, or it stores them in another Redis or database number.")
		r.unknown = "; whether they agree on logouts is not known yet"
		return nil
	}
	templates := make([]string, len(entries))
	for n, e := range entries {
		templates[n] = e.Template
		key := printable(strings.ReplaceAll(e.Template, "{token}", "<token>"))
		r.say("blacklist", "an entry under %s, %s", key, expiry(e.TTL))
		until := s.RevocableUntil()
		if e.TTL >= 0 && (until.IsZero() || time.Now().Add(e.TTL+2*time.Minute).Before(until)) {
			r.warn("the entry expires before the token does: then the token is valid again, at both services")
		}
	}
	if slices.Contains(templates, r.cfg.BlacklistKey) {
		return nil
	}
	if strings.HasPrefix(templates[0], "auth:") || strings.Count(templates[0], "{token}") != 1 {
		r.warn("BLACKLIST_KEY cannot be %s: change the key in the Node service", printable(templates[0]))
		return nil
	}
	r.set("BLACKLIST_KEY", quoted(templates[0]))
	return nil
}

// expiry returns words for when an entry expires.
func expiry(ttl time.Duration) string {
	if ttl < 0 {
		return "which never expires"
	}
	return "which expires in " + ttl.Round(time.Second).String()
}

// quoted returns a value as it is written in a .env file.
func quoted(value string) string {
	if strings.ContainsAny(value, " #$'\"`\\") {
		return "'" + value + "'"
	}
	return value
}
