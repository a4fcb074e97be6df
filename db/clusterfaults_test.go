package db

import (
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestMissingSlots(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		slots [][2]int
		want  []string
	}{
		"all":             {[][2]int{{0, 16383}}, nil},
		"all, unordered":  {[][2]int{{5461, 10922}, {10923, 16383}, {0, 5460}}, nil},
		"none":            {nil, []string{"0-16383"}},
		"not the first":   {[][2]int{{1, 16383}}, []string{"0"}},
		"not the last":    {[][2]int{{0, 16382}}, []string{"16383"}},
		"not some":        {[][2]int{{200, 16383}, {0, 99}}, []string{"100-199"}},
		"in several gaps": {[][2]int{{1, 5}, {7, 10}, {20, 16000}}, []string{"0", "6", "11-19", "16001-16383"}},
	} {
		var slots []redis.ClusterSlot
		for _, s := range test.slots {
			slots = append(slots, redis.ClusterSlot{Start: s[0], End: s[1]})
		}
		if got := missingSlots(slots); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
