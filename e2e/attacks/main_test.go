// Package attacks attacks the built service: with logged-out tokens, with forged tokens, and with HTTP that can be
// read in two ways. The tests check the responses and print the number of attempts.
package attacks

import (
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
