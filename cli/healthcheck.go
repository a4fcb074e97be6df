package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gin-auth/config"
)

func newHealthcheck(o Options) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Checks whether the service on this machine is alive",
		Long: `Requests /healthz of the service that runs with these settings on this machine. It is
meant for containers, which have no curl.

Exit status: 0 if it is alive, 1 if not.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.LoadConfig()
			if err != nil {
				return err
			}
			return healthcheck(cmd.Context(), cfg)
		},
	}
}

func healthcheck(ctx context.Context, cfg *config.Config) error {
	host := cmp.Or(cfg.Host, "127.0.0.1") // localhost needs /etc/hosts
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(int(cfg.Port))) + "/healthz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("checking the health: %w", err)
	}
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{}} // without a proxy
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("checking the health: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("checking the health: %s answers %s", url, response.Status)
	}
	return nil
}
