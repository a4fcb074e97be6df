package db

import (
	"slices"
	"strings"
	"testing"
)

// TestRisksIn checks the risks that replies to INFO show.
func TestRisksIn(t *testing.T) {
	t.Parallel()
	safe := map[string]string{
		"role": "master", "maxmemory": "1073741824", "maxmemory_policy": "noeviction", "evicted_keys": "0",
		"aof_enabled": "1", "aof_last_write_status": "ok", "rdb_last_bgsave_status": "ok",
	}
	for name, test := range map[string]struct {
		changes map[string]string
		want    []string // the beginning of each
	}{
		"safe":                     {},
		"a replica":                {map[string]string{"role": "slave"}, []string{"it is a replica"}},
		"evicts":                   {map[string]string{"maxmemory_policy": "volatile-ttl"}, []string{"it evicts keys when its memory is full, logouts among them: set maxmemory-policy noeviction, not volatile-ttl"}},
		"a policy without a limit": {map[string]string{"maxmemory_policy": "allkeys-lru", "maxmemory": "0"}, nil},
		"has evicted":              {map[string]string{"evicted_keys": "7"}, []string{"it has evicted 7 keys"}},
		"no AOF":                   {map[string]string{"aof_enabled": "0"}, []string{"its append-only file is off"}},
		"a full disk":              {map[string]string{"aof_last_write_status": "err"}, []string{"it could not write its append-only file"}},
		"no snapshot beside an AOF": {
			map[string]string{"rdb_last_bgsave_status": "err"}, nil,
		},
		"no snapshot and no AOF": {
			map[string]string{"rdb_last_bgsave_status": "err", "aof_enabled": "0"},
			[]string{"its append-only file is off", "it could not save its last snapshot"},
		},
		"says nothing": {map[string]string{
			"role": "", "maxmemory": "", "maxmemory_policy": "", "evicted_keys": "", "aof_enabled": "",
			"aof_last_write_status": "", "rdb_last_bgsave_status": "",
		}, []string{
			"whether it is a master is unknown", "whether it evicts keys is unknown", "whether it has evicted keys is unknown",
			"whether it has an append-only file is unknown",
		}},
		"does not say its policy": {map[string]string{"maxmemory_policy": ""}, []string{"whether it evicts keys is unknown"}},
		"does not say its limit":  {map[string]string{"maxmemory": ""}, []string{"whether it evicts keys is unknown"}},
		"another role":            {map[string]string{"role": "sentinel"}, []string{"whether it is a master is unknown"}},
	} {
		info := "# Server\r\n"
		for field, value := range safe {
			if changed, ok := test.changes[field]; ok {
				value = changed
			}
			if value != "" {
				info += field + ":" + value + "\r\n"
			}
		}
		if got := risksIn(info); !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
