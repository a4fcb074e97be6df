package cli

import (
	"context"
	"fmt"
	"time"
)

// persist retries an exchange with Redis until it succeeds, all pauses are used or ctx ends. The end of ctx does not
// interrupt the exchange itself.
func (i *importer) persist(ctx context.Context, exchange func(context.Context) error) error {
	whole := context.WithoutCancel(ctx)
	for _, pause := range i.pauses {
		err := exchange(whole)
		if err == nil {
			return nil
		}
		i.progress.print("%v; trying again in %s", err, pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w, while Redis failed: %w", errInterrupted, err)
		}
	}
	return exchange(whole)
}
