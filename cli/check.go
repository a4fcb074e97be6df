package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gin-auth/config"
	"gin-auth/db"
)

func newCheck(o Options) *cobra.Command {
	var token string
	var all bool
	cmd := &cobra.Command{
		Use:   "check [--all | --token FILE|-]",
		Short: "Says whether production should run on these settings and this Redis",
		Long: `Prints the settings that differ from their defaults, with --all all of them, secrets
masked, and what it finds of Redis: whether it answers, role, persistence, eviction
policy, and the rights of this user, which it tries without leaving anything behind.
` + nodeHelp + `

Exit status: 0 if production can run on it, 1 if it should not; with --token, 0 if
this service agrees with the Node service, 1 if something has to be changed.`,
		Example: `  gin-auth check
  curl -si -H 'Content-Type: application/json' -d '{"email":"…","password":"…"}' \
    https://node.example.com/api/auth/login | gin-auth check --token -`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && token != "" {
				return &usageError{errors.New("--all and --token exclude each other")}
			}
			cfg, err := o.LoadConfig()
			if err != nil {
				return err
			}
			if token != "" {
				return o.checkToken(cmd, cfg, token)
			}
			return o.check(cmd, cfg, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "print the settings that have their defaults as well")
	cmd.Flags().StringVar(&token, "token", "", "examine a token of the Node service")
	return cmd
}

func (o Options) check(cmd *cobra.Command, cfg *config.Config, all bool) error {
	var b strings.Builder
	line := func(words ...string) { b.WriteString(strings.Join(words, "") + "\n") }
	b.WriteString(settingsText(cfg.Settings(), all))
	var against []string
	if !cfg.Production() {
		against = append(against, "NODE_ENV is not production: its rules are off")
	}
	line("\nRedis")
	nodes, found := o.checkRedis(cmd.Context(), cfg)
	for _, node := range nodes {
		says := append([]string{node.Addr}, node.Facts...)
		if node.RoundTrip > 0 {
			says = append(says, "round trip "+node.RoundTrip.Round(time.Millisecond/10).String(), "clock "+skew(node.Skew))
		}
		line("  ", strings.Join(says, ", "))
	}
	if len(nodes) == 0 {
		line("  nothing is known of it")
	}
	against = append(against, found...)
	if notes := o.notes(cfg); len(notes) > 0 {
		line("\nTo know\n  ", strings.Join(notes, "\n  "))
	}
	if len(against) == 0 {
		line("\nProduction can run on this.")
		return say(cmd, "%s", b.String())
	}
	line("\nProduction should not run on this:\n  ", strings.Join(against, "\n  "))
	if err := say(cmd, "%s", b.String()); err != nil {
		return err
	}
	return &statusError{statusFailed}
}

// settingsText returns the settings that differ from their defaults, or all of them, one line each.
func settingsText(settings []config.Setting, all bool) string {
	var b strings.Builder
	b.WriteString("Settings\n")
	omitted := 0
	for _, setting := range settings {
		if setting.Default && !all {
			omitted++
			continue
		}
		fmt.Fprintf(&b, "  %-25s %s\n", setting.Name, cmp.Or(setting.Value, "-"))
	}
	if omitted > 0 {
		fmt.Fprintf(&b, "  The other %d have their defaults: gin-auth check --all prints them.\n", omitted)
	}
	return b.String()
}

// notes returns the warnings of a start, and what is wrong only in some deployments.
func (o Options) notes(cfg *config.Config) []string {
	notes := slices.Clone(cfg.Warnings)
	if cfg.Production() && len(cfg.TrustedProxies) == 0 && cfg.LoginLimit != (config.Limit{}) {
		notes = append(notes,
			"TRUSTED_PROXIES is not set: all clients of a proxy count as one address and share its login limit")
	}
	listener, err := o.Listen(cfg)
	if err != nil {
		return append(notes, err.Error()+" (unless that is this service, which runs already, a start would fail)")
	}
	_ = listener.Close() // nobody has used it
	return notes
}

// checkRedis returns what it finds of Redis, and what speaks against it. A command gets REDIS_TIMEOUT and no more, as
// when serving, and one that is refused does not end it: so it does not use withDB.
func (o Options) checkRedis(ctx context.Context, cfg *config.Config) (nodes []db.NodeReport, against []string) {
	if cfg.Redis.Embedded() {
		return nil, []string{errEmbedded.Error()}
	}
	store, err := o.OpenDB(cfg)
	if err != nil {
		return nil, []string{err.Error()}
	}
	defer func() { _ = store.Close() }()
	nodes, lacks, err := store.Check(ctx)
	if err != nil {
		return nil, []string{fmt.Sprintf("the Redis at %s can't be used: %v", strings.Join(cfg.Redis.Addrs, ", "), err)}
	}
	risks, err := store.Risks(ctx)
	if err != nil {
		risks = append(risks, err.Error())
	}
	if before, err := store.BlacklistKey(ctx); err == nil && before != "" && before != cfg.BlacklistKey {
		against = append(against, fmt.Sprintf("BLACKLIST_KEY was %s before: starting with another one revokes every token "+
			"issued until then", before))
	}
	for _, node := range nodes {
		if wanted := db.WantedTimeout(node.RoundTrip); wanted > cfg.RedisTimeout {
			against = append(against, fmt.Sprintf("a round trip to %s takes %s: set REDIS_TIMEOUT=%s",
				node.Addr, node.RoundTrip.Round(time.Millisecond), wanted))
		}
		if node.Skew.Abs() > db.MaxSkew {
			against = append(against, fmt.Sprintf("the clock of %s is %s: synchronize both (NTP)", node.Addr, skew(node.Skew)))
		}
	}
	for _, lack := range lacks {
		against = append(against, "a right is missing: "+lack)
	}
	for _, risk := range risks {
		against = append(against, "this Redis can lose logouts: "+risk)
	}
	return nodes, against
}

// skew puts into words how far this machine's clock is ahead of a node's.
func skew(ahead time.Duration) string {
	switch ahead = ahead.Round(time.Second); {
	case ahead > 0:
		return ahead.String() + " behind this machine's"
	case ahead < 0:
		return (-ahead).String() + " ahead of this machine's"
	default:
		return "in step"
	}
}
