// Package attacks attacks the built service: with logged-out tokens, with forged tokens, and with HTTP that can be
// read in two ways. The tests check the responses and print the number of attempts.
package attacks

import (
	"os"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// measuring reports whether nothing else runs, so that times can be compared. The serial step of .ci/run sets
// MEASURE.
var measuring = os.Getenv("MEASURE") != ""

func TestMain(m *testing.M) { harness.Main(m) }
