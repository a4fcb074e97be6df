package db

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// adviceOnDial returns advice about a connection that nothing accepted, "" if there is none.
func (d *dialer) adviceOnDial(err error, network, addr string) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && d.isSentinel(addr):
		return "is a sentinel running there?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return d.advice
	case network != "unix":
		return "is the address right, and does a firewall let it through?"
	case errors.Is(err, syscall.ENOENT):
		return "is Redis running there, with this path as its unixsocket?"
	case errors.Is(err, syscall.EACCES):
		return "this process has no permission to open the socket: see unixsocketperm in the configuration of Redis"
	default:
		return ""
	}
}

// adviceOnGreeting returns advice about a connection that was accepted, but whose greeting was not answered. encryption
// is nil without TLS.
func adviceOnGreeting(err error, network string, encryption *tls.Config) string {
	var refused *refusedError
	switch {
	case errors.As(err, &refused):
		return "raise maxclients in Redis, or look for clients that keep connections (CLIENT LIST)"
	case network == "unix":
		return "it accepts connections but does not answer: does it hang, or is this not the socket of a Redis?"
	case encryption != nil && (isAlert(err) || isClosed(err)):
		return adviceOnClientCertificate(encryption)
	case encryption != nil:
		return "is this a Redis?"
	case isClosed(err):
		return "it closed the connection without an answer: if this port speaks TLS, set REDIS_TLS=true"
	default:
		return "it accepts connections but does not answer: does it hang, or is this not a Redis, " +
			"or a TLS port (REDIS_TLS=true)?"
	}
}

// adviceOnTLS returns advice about a TLS handshake that failed, "" if there is none. named is true if the server name
// is that of REDIS_TLS_SERVER_NAME.
func adviceOnTLS(err error, config *tls.Config, named bool) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &authority) && config.RootCAs == nil:
		return "set REDIS_TLS_CA to the file with the CA of Redis"
	case errors.As(err, &authority):
		return "the CA of this Redis is not in the file that REDIS_TLS_CA names"
	case errors.As(err, &name):
		return adviceOnName(name.Certificate, named)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate of Redis, or correct this machine's clock"
	case isAlert(err):
		return adviceOnClientCertificate(config)
	case errors.As(err, &noTLS) || errors.Is(err, context.DeadlineExceeded) || isClosed(err):
		return "if this port does not speak TLS, set REDIS_TLS=false, or redis:// in REDIS_URL"
	default:
		return ""
	}
}

// adviceOnName returns advice about a certificate that does not have the expected name. It lists the names that the
// certificate has.
func adviceOnName(certificate *x509.Certificate, named bool) string {
	names := certificate.DNSNames
	for _, ip := range certificate.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "give Redis a certificate with a subjectAltName"
	case named:
		return "REDIS_TLS_SERVER_NAME must be a name in the certificate, which has " + strings.Join(names, ", ")
	default:
		return "if this is the right Redis, set REDIS_TLS_SERVER_NAME to a name in its certificate, which has " +
			strings.Join(names, ", ")
	}
}

// adviceOnClientCertificate returns advice about a Redis that ended the handshake, or the connection right after it:
// with TLS 1.3, a server checks the client's certificate only then.
func adviceOnClientCertificate(config *tls.Config) string {
	if config.GetClientCertificate == nil {
		return "does Redis want a client certificate (tls-auth-clients)? Then set REDIS_TLS_CERT and REDIS_TLS_KEY"
	}
	return "does Redis reject the certificate of REDIS_TLS_CERT? Its CA must be in the tls-ca-cert-file of Redis, " +
		"and it must be valid now"
}

// adviceOnUser is advice about a node of a Cluster that refuses the user or the password.
const adviceOnUser = "each node needs the user of REDIS_USERNAME with the password of REDIS_PASSWORD, " +
	"because Redis does not copy users"

// adviceOnSlots is advice about a Cluster that does not serve all slots.
const adviceOnSlots = "redis-cli --cluster check names the nodes and slots that are missing; start these nodes, or " +
	"assign these slots"

// adviceOnTopology returns advice about an error of a Redis that is a Cluster and was configured as a single Redis, or
// the reverse, or of a Cluster that does not serve the slot. It returns "" for another error.
func (d *DB) adviceOnTopology(err error) string {
	switch down := redis.HasErrorPrefix(err, "CLUSTERDOWN"); {
	case down && d.cluster():
		return adviceOnSlots
	case down || redis.HasErrorPrefix(err, "MOVED") && !d.cluster():
		return "this Redis is a node of a Cluster: set REDIS_CLUSTER_NODES to host:port of its nodes, " +
			"instead of REDIS_HOST or REDIS_URL"
	case redis.HasErrorPrefix(err, "This instance has cluster support disabled"):
		return "this Redis is not a Cluster: set REDIS_HOST and REDIS_PORT, or REDIS_URL, instead of REDIS_CLUSTER_NODES"
	default:
		return ""
	}
}

// isAlert reports whether the server has ended TLS with an alert, which has the reason.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// isClosed reports whether the server has closed the connection without a reason.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
