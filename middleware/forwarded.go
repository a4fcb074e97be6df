package middleware

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"
)

const forwardedFor = "X-Forwarded-For"

// ForwardedFor rewrites the X-Forwarded-For of a trusted proxy into the form that gin reads: one line of addresses
// without ports, brackets and quotes. Gin reads only the first line, and does not understand "203.0.113.7:51234",
// which some load balancers send. Without the rewriting, all clients of such a proxy would have its address and share
// one login limit.
//
// If the header has something else instead of the client's address, such as "unknown", the proxy's address counts.
// This is logged once. The header of a peer that is not trusted is also logged once: the peer may be a proxy, or a
// client that sends the header itself.
func ForwardedFor(trusted []netip.Prefix, log *slog.Logger) gin.HandlerFunc {
	var logged, loggedPeer atomic.Bool
	isTrusted := func(address netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(proxy netip.Prefix) bool { return proxy.Contains(address) })
	}
	return func(c *gin.Context) {
		lines := c.Request.Header[forwardedFor]
		if len(lines) == 0 {
			return
		}
		if !isTrusted(parseAddress(c.RemoteIP())) {
			if !loggedPeer.Swap(true) {
				log.Warn("X-Forwarded-For comes from an address that is not in TRUSTED_PROXIES: if that is your proxy, add "+
					"it, because until then all its clients count as one address and share one login limit", "peer", c.RemoteIP())
			}
			return
		}
		entries := strings.Split(strings.Join(lines, ","), ",")
		found := false // the client's address: the first from the right that is not a trusted proxy's
		for i, entry := range slices.Backward(entries) {
			address := parseAddress(entry)
			if address.IsValid() {
				entries[i] = address.String()
			} else if !found && !logged.Swap(true) {
				log.Warn("X-Forwarded-For has no IP address for a client: configure the proxy to send one, because until "+
					"then all its clients count as one address and share one login limit",
					"value", shorten(entry), "proxy", c.RemoteIP())
			}
			found = found || !address.IsValid() || !isTrusted(address)
		}
		c.Request.Header.Set(forwardedFor, strings.Join(entries, ", "))
	}
}

// parseAddress parses an IP address as proxies write it: with or without a port, brackets, quotes, a zone, and the
// "for=" of the Forwarded header (RFC 7239). It returns the zero Addr for anything else.
func parseAddress(text string) netip.Addr {
	text = strings.Trim(text, " \t")
	if prefix := "for="; len(text) > len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
		text = text[len(prefix):]
	}
	text = strings.Trim(text, `"`)
	address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		withPort, _ := netip.ParseAddrPort(text)
		address = withPort.Addr()
	}
	return address.Unmap().WithZone("")
}
