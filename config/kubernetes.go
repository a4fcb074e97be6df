package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// serviceAddress is the address of a Service, as Kubernetes puts it into the environment of each container. For a
// Service named redis the variable is REDIS_PORT.
var serviceAddress = regexp.MustCompile(`^(?:tcp|udp|sctp)://[^@/]+:([0-9]+)$`)

// serviceReason returns why the value of the setting name is wrong and what to do about it if Kubernetes injected it,
// otherwise "".
func serviceReason(name, value string) string {
	m := serviceAddress.FindStringSubmatch(value)
	if m == nil {
		return ""
	}
	service := "a Service"
	if prefix, ok := strings.CutSuffix(name, "_PORT"); ok {
		service += " named " + strings.ToLower(prefix)
	}
	return fmt.Sprintf("this is the address that Kubernetes injects for %s; set %s=%s in the container, or "+
		"enableServiceLinks: false in the pod, or rename the Service", service, name, m[1])
}

// dropInjectedPort removes an injected REDIS_PORT if another setting than REDIS_HOST specifies the Redis, because no
// port is read from it then.
func (p *findings) dropInjectedPort() {
	names := p.redisNames()
	if len(names) > 0 && !slices.Contains(names, "REDIS_HOST") && serviceAddress.MatchString(p.values["REDIS_PORT"]) {
		delete(p.values, "REDIS_PORT")
	}
}
