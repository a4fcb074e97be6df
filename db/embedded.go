package db

import (
	"crypto/rand"
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// embed starts a Redis inside the process and sets its address in o. It listens on loopback, with a random password, so
// that nobody else on the machine can use it.
func (d *DB) embed(o *Options) error {
	d.embedded = miniredis.NewMiniRedis()
	d.embedded.ClockTTL(true) // otherwise nothing would expire
	o.Password = rand.Text()
	d.embedded.RequireAuth(o.Password)
	if err := d.embedded.Start(); err != nil {
		return fmt.Errorf("starting the embedded Redis: %w", err)
	}
	o.Addrs = []string{d.embedded.Addr()}
	return nil
}
