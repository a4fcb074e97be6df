// Package faults stops, empties and slows Redis, kills the service, and checks how the built service answers
// meanwhile. Each time is printed beside its bar. With MEASURE=1 a test fails if a time is more than three times
// its bar.
package faults

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gin-auth/e2e/internal/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// metric returns the value of a metric, named with its labels, of the service with the METRICS_ADDR address.
func metric(t *testing.T, address, name string) (value float64) {
	t.Helper()
	harness.Eventually(t, name+" is shown", func() error {
		response, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		_, after, _ := strings.Cut(string(text), "\n"+name+" ")
		_, err = fmt.Sscan(after, &value)
		return err
	})
	return value
}
