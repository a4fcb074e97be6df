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

// ForwardedFor rewrites the X-Forwarded-For of a trusted proxy into what gin reads: one line of addresses without
// ports, brackets and quotes. Gin reads the first line alone and does not understand "203.0.113.7:51234", as some load
// balancers write it. All clients would then have the address of the proxy, and share its login limit.
//
// The address of the proxy still counts where it names something else, such as "unknown". That is logged once, and so
// is the header of a peer that is not trusted, which may be a proxy. A client can send it as well.
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
					"it, because all of its clients count as one address and share its login limit", "peer", c.RemoteIP())
			}
			return
		}
		entries := strings.Split(strings.Join(lines, ","), ",")
		found := false // the client's address, which is the first from the right that is no trusted proxy's
		for i, entry := range slices.Backward(entries) {
			address := parseAddress(entry)
			if address.IsValid() {
				entries[i] = address.String()
			} else if !found && !logged.Swap(true) {
				log.Warn("X-Forwarded-For names a client by something that is not an IP address: the address of the "+
					"proxy counts instead", "value", shorten(entry), "proxy", c.RemoteIP())
			}
			found = found || !address.IsValid() || !isTrusted(address)
		}
		c.Request.Header.Set(forwardedFor, strings.Join(entries, ", "))
	}
}

// parseAddress parses an IP address as proxies write it: with or without a port, brackets, quotes, a zone, and the
// "for=" of the header Forwarded (RFC 7239). It returns the zero Addr for anything else.
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
