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
		Short: "Checks whether these settings and this Redis are safe for production",
		Long: `Prints the settings that differ from their defaults, or all of them with --all.
Secrets are masked. It then checks Redis: whether it answers, its role, persistence
and eviction policy, and whether this user has the necessary rights. It stores nothing.
` + nodeHelp + `

Exit status: 0 if production can run on this, 1 if it should not; with --token, 0 if
this service agrees with the Node service, 1 if something has to be changed.`,
		Example: `  gin-auth check
  curl -si -H 'Content-Type: application/json' -d '{"email":"…","password":"…"}' \
    https://node.example.com/api/auth/login | gin-auth check --token -`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && token != "" {
				return &usageError{errors.New("--all and --token cannot be used together")}
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
	cmd.Flags().BoolVar(&all, "all", false, "also print the settings that have their defaults")
	cmd.Flags().StringVar(&token, "token", "",
		"examine a token of the Node service in `FILE`, or on standard input if it is -")
	return cmd
}

func (o Options) check(cmd *cobra.Command, cfg *config.Config, all bool) error {
	var b strings.Builder
	line := func(words ...string) { b.WriteString(strings.Join(words, "") + "\n") }
	b.WriteString(settingsText(cfg.Settings(), all))
	var problems []string
	if !cfg.Production() {
		problems = append(problems, "NODE_ENV is not production: the rules for production are off")
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
		line("  nothing is known about it")
	}
	problems = append(problems, found...)
	if notes := o.notes(cfg); len(notes) > 0 {
		line("\nNotes\n  ", strings.Join(notes, "\n  "))
	}
	if len(problems) == 0 {
		line("\nProduction can run on this.")
		return say(cmd, "%s", b.String())
	}
	line("\nProduction should not run on this:\n  ", strings.Join(problems, "\n  "))
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

// notes returns the warnings that a start would log, and what may be wrong, depending on the deployment.
func (o Options) notes(cfg *config.Config) []string {
	notes := slices.Clone(cfg.Warnings)
	if cfg.Production() && len(cfg.TrustedProxies) == 0 && cfg.LoginLimit != (config.Limit{}) {
		notes = append(notes,
			"TRUSTED_PROXIES is not set: all clients of a proxy count as one address and share its login limit")
	}
	listener, err := o.Listen(cfg)
	if err != nil {
		return append(notes, err.Error()+" (ignore this if the service is already running)")
	}
	_ = listener.Close() // it was not used
	return notes
}

// checkRedis returns what it finds about each node of Redis, and the problems. It does not use withDB: each exchange
// has to take no longer than REDIS_TIMEOUT, as when serving, and a command that Redis refuses must not end the check.
func (o Options) checkRedis(ctx context.Context, cfg *config.Config) (nodes []db.NodeReport, problems []string) {
	if cfg.Redis.Embedded() {
		return nil, []string{errEmbedded.Error()}
	}
	store, err := o.OpenDB(cfg)
	if err != nil {
		return nil, []string{err.Error()}
	}
	defer func() { _ = store.Close() }()
	report, err := store.Check(ctx)
	if err != nil {
		problem := fmt.Sprintf("the Redis at %s can't be used: %v", strings.Join(cfg.Redis.Addrs, ", "), err)
		return report.Nodes, append(problems, problem)
	}
	problems = append(problems, report.Faults...)
	problems = append(problems, nodeProblems(cfg, report.Nodes)...)
	for _, right := range report.Missing {
		problems = append(problems, "a right is missing: "+right)
	}
	if len(report.Faults) > 0 {
		return report.Nodes, problems // the rest asks nodes that may be those that cannot be used
	}
	if before, err := store.BlacklistKey(ctx); err == nil && before != "" && before != cfg.BlacklistKey {
		problems = append(problems, fmt.Sprintf("BLACKLIST_KEY was %s before: starting with another one revokes every token "+
			"issued until then", before))
	}
	risks, err := store.Risks(ctx)
	if err != nil {
		risks = append(risks, err.Error())
	}
	for _, risk := range risks {
		problems = append(problems, "this Redis can lose logouts: "+risk)
	}
	return report.Nodes, problems
}

// nodeProblems returns a sentence about each node that is far away, and about each whose clock is wrong.
func nodeProblems(cfg *config.Config, nodes []db.NodeReport) (problems []string) {
	for _, node := range nodes {
		if wanted := db.WantedTimeout(node.RoundTrip); wanted > cfg.RedisTimeout {
			problems = append(problems, fmt.Sprintf("a round trip to %s takes %s: set REDIS_TIMEOUT=%s",
				node.Addr, node.RoundTrip.Round(time.Millisecond), wanted))
		}
		if node.Skew.Abs() > db.MaxSkew {
			problems = append(problems, fmt.Sprintf("the clock of %s is %s: synchronize both (NTP)", node.Addr, skew(node.Skew)))
		}
	}
	return problems
}

// skew returns words for how far a node's clock differs from this machine's. ahead is how far this machine's is ahead.
func skew(ahead time.Duration) string {
	switch ahead = ahead.Round(time.Second); {
	case ahead > 0:
		return ahead.String() + " behind this machine's"
	case ahead < 0:
		return (-ahead).String() + " ahead of this machine's"
	default:
		return "in sync"
	}
}
