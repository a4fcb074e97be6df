package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gin-auth/config"
	"gin-auth/db"
)

// commandTimeout is how long an exchange of a command with Redis may take, unless REDIS_TIMEOUT is longer.
// REDIS_TIMEOUT is meant for requests that people wait for, while a batch of an import is one exchange.
const commandTimeout = 5 * time.Second

var errEmbedded = errors.New("no Redis is specified: set REDIS_HOST, REDIS_URL, REDIS_CLUSTER_NODES or " +
	"REDIS_SENTINELS (the embedded Redis would lose everything when this command ends)")

// withDB runs a command with the DB that the configuration names, once it has answered.
func (o Options) withDB(ctx context.Context, command func(*config.Config, *db.DB) error) (err error) {
	loaded, err := o.LoadConfig()
	if err != nil {
		return err
	}
	cfg := *loaded
	if cfg.Redis.Embedded() {
		return errEmbedded
	}
	cfg.RedisTimeout = max(cfg.RedisTimeout, commandTimeout)
	store, err := o.OpenDB(&cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := store.Ping(ctx); err != nil {
		return fmt.Errorf("the Redis at %s can't be used: %w", strings.Join(cfg.Redis.Addrs, ", "), err)
	}
	return command(&cfg, store)
}
