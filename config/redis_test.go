package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestRedis checks the Redis that results from each way to specify one.
func TestRedis(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]Redis{
		"":                     {},
		"REDIS_HOST=":          {},
		"REDIS_HOST=127.0.0.1": {Addrs: []string{"127.0.0.1:6379"}},
		"REDIS_HOST=::1 REDIS_PORT=7000 REDIS_PASSWORD=p REDIS_DB=2": {Addrs: []string{"[::1]:7000"}, Password: "p", DB: 2},
		"REDIS_HOST=my_redis.svc REDIS_TLS=true":                     {Addrs: []string{"my_redis.svc:6379"}, TLS: true},
		"REDIS_URL=redis://cache":                                    {Addrs: []string{"cache:6379"}},
		"REDIS_URL=redis://u:p%40%2F@[::1]:7000/4":                   {Addrs: []string{"[::1]:7000"}, Username: "u", Password: "p@/", DB: 4},
		"REDIS_URL=cache:7000":                                       {Addrs: []string{"cache:7000"}},
		"REDIS_URL=default:p@cache":                                  {Addrs: []string{"cache:6379"}, Username: "default", Password: "p"},
		"REDIS_URL=redis://cache?family=0":                           {Addrs: []string{"cache:6379"}},
		"REDIS_URL=redis://cache REDIS_PORT=7000":                    {Addrs: []string{"cache:6379"}},
		"REDIS_URL=redis://u:p@cache:1/2 REDIS_USERNAME=u REDIS_PASSWORD=p REDIS_PORT=1 REDIS_DB=2": {
			Addrs: []string{"cache:1"}, Username: "u", Password: "p", DB: 2,
		},
		"REDIS_URL=redis://cache REDIS_PORT=tcp://10.0.0.1:7000": {Addrs: []string{"cache:6379"}},
		"REDIS_CLUSTER_NODES=a:1 REDIS_PORT=tcp://10.0.0.1:7000": {Addrs: []string{"a:1"}, Cluster: true},
		"REDIS_URL=rediss://:p@cache/":                           {Addrs: []string{"cache:6379"}, Password: "p", TLS: true},
		"REDIS_URL=redis://cache REDIS_USERNAME=u REDIS_PASSWORD=p REDIS_DB=1 REDIS_TLS=true": {
			Addrs: []string{"cache:6379"}, Username: "u", Password: "p", DB: 1, TLS: true,
		},
		"REDIS_CLUSTER_NODES=a:1":                      {Addrs: []string{"a:1"}, Cluster: true},
		"REDIS_CLUSTER_NODES=a:1,b:2 REDIS_PASSWORD=p": {Addrs: []string{"a:1", "b:2"}, Cluster: true, Password: "p"},
		"REDIS_URL=unix:///run/redis/redis.sock":       {Addrs: []string{"/run/redis/redis.sock"}},
		"REDIS_URL=unix:///r%20s?db=0 REDIS_DB=0":      {Addrs: []string{"/r s"}},
		"REDIS_URL=unix://u:p%40@/r.sock?db=3":         {Addrs: []string{"/r.sock"}, Username: "u", Password: "p@", DB: 3},
		"REDIS_URL=unix:///r.sock REDIS_PASSWORD=p REDIS_USERNAME=u REDIS_DB=2": {
			Addrs: []string{"/r.sock"}, Username: "u", Password: "p", DB: 2,
		},
		"REDIS_SENTINELS=a:1 REDIS_SENTINEL_MASTER=m REDIS_SENTINEL_USERNAME=u REDIS_SENTINEL_PASSWORD=p REDIS_TLS=1 REDIS_TLS_SERVER_NAME=b": {
			Addrs: []string{"a:1"}, SentinelMaster: "m", SentinelUsername: "u", SentinelPassword: "p", TLS: true, TLSServerName: "b",
		},
		"REDIS_SENTINELS=a:1 REDIS_SENTINEL_MASTER=mymaster": {Addrs: []string{"a:1"}, SentinelMaster: "mymaster"},
	} {
		c, err := Load("", append(strings.Fields(env), "JWT_SECRET="+strong))
		if err != nil {
			t.Errorf("%s: %v", env, err)
		} else if !reflect.DeepEqual(c.Redis, want) {
			t.Errorf("%s: %+v, want %+v", env, c.Redis, want)
		}
	}
}
