// Package attacks does to the built service what someone does who holds a logged-out token, forges one,
// or speaks HTTP in two ways at once. What it answers is asserted, and how many tries that took is printed.
package attacks

import (
	"os"
	"testing"

	"gin-auth/e2e/internal/harness"
)

// measuring says that nothing else runs, so that times mean something: .ci/run's serial step sets it.
var measuring = os.Getenv("MEASURE") != ""

func TestMain(m *testing.M) { harness.Main(m) }
