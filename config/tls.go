package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// tlsSettings has the settings that have no effect without TLS, and so are rejected then.
var tlsSettings = []string{"REDIS_TLS_CA", "REDIS_TLS_CERT", "REDIS_TLS_KEY", "REDIS_TLS_SERVER_NAME"}

// TLSConfig reads the files of REDIS_TLS_CA, REDIS_TLS_CERT and REDIS_TLS_KEY and returns the configuration of TLS. It
// is called for each connection, so that renewed certificates are used without a restart.
func (r Redis) TLSConfig() (*tls.Config, error) {
	var errs []error
	config := r.readTLS(func(name string, err error) { errs = append(errs, fmt.Errorf("%s: %w", name, err)) })
	return config, errors.Join(errs...)
}

// readTLS is TLSConfig, but calls wrong for each file that can't be used, with the name of its setting.
func (r Redis) readTLS(wrong func(name string, err error)) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: r.TLSServerName}
	if r.TLSCA != "" {
		certificates, _, err := r.TLSCA.readCertificates()
		if err != nil {
			wrong("REDIS_TLS_CA", err)
		}
		config.RootCAs = x509.NewCertPool()
		for _, certificate := range certificates {
			config.RootCAs.AddCert(certificate)
		}
	}
	if r.TLSCert == "" || r.TLSKey == "" {
		return config
	}
	_, certPEM, err := r.TLSCert.readCertificates()
	if err != nil {
		wrong("REDIS_TLS_CERT", err)
	}
	keyPEM, errKey := r.TLSKey.readKey()
	if errKey != nil {
		wrong("REDIS_TLS_KEY", errKey)
	}
	if err != nil || errKey != nil {
		return config
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil && strings.Contains(err.Error(), "does not match") {
		err = errors.New("it is not the key of the first certificate in REDIS_TLS_CERT")
	}
	if err != nil {
		wrong("REDIS_TLS_KEY", err)
	}
	// It is sent even if Redis does not list its CA: Redis's error about its CA is clearer than the one about a missing
	// certificate.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return config
}

// readCertificates returns the certificates in the file, and its content. Certificates that can't be parsed are
// ignored, unless there is no other.
func (f File) readCertificates() (certificates []*x509.Certificate, text []byte, err error) {
	text, err = f.read(maxPEMFile)
	if err != nil {
		return nil, nil, err
	}
	err = errors.New("it contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, errParse := x509.ParseCertificate(block.Bytes)
		if errParse != nil {
			err = fmt.Errorf("its certificate can't be read: %w", errParse)
			continue
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) > 0 {
		err = nil
	}
	return certificates, text, err
}

// readKey returns the content of the file, if that has a private key.
func (f File) readKey() ([]byte, error) {
	text, err := f.read(maxPEMFile)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, errors.New("the key is encrypted; write it without a passphrase (openssl pkey -in FILE -out FILE)")
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return text, nil
		}
	}
	if bytes.Contains(text, []byte("-----BEGIN CERTIFICATE")) {
		return nil, errors.New("it contains a certificate, but no private key")
	}
	return nil, errors.New("it contains no private key in PEM form (-----BEGIN PRIVATE KEY-----)")
}

// checkTLS checks the settings of TLS. It reads the files as each connection does.
func (c *Config) checkTLS(p *findings) {
	p.check(c.RedisTLSServerName == "" || isHost(c.RedisTLSServerName), "REDIS_TLS_SERVER_NAME")
	unknown := p.reported["REDIS_TLS"] || p.reported["REDIS_URL"] || len(p.redisNames()) > 1
	for _, name := range tlsSettings {
		switch {
		case p.values[name] == "":
		case c.Redis.Socket():
			p.wrong(name, "REDIS_URL is a Unix socket, which has no TLS")
		case !c.Redis.TLS && !unknown:
			p.wrong(name, "TLS is off; set REDIS_TLS=true, or write rediss:// in REDIS_URL, or remove "+name)
		}
	}
	c.Redis.readTLS(func(name string, err error) { p.wrong(name, err.Error()) })
	switch {
	case c.RedisTLSCert != "" && c.RedisTLSKey == "":
		p.missing("REDIS_TLS_KEY", "REDIS_TLS_CERT is set, and a client certificate needs both")
	case c.RedisTLSCert == "" && c.RedisTLSKey != "":
		p.missing("REDIS_TLS_CERT", "REDIS_TLS_KEY is set, and a client certificate needs both")
	}
}

// warnOfExpiry warns of certificates that are not valid now. They may be renewed while the service runs.
func (c *Config) warnOfExpiry(now time.Time) {
	ca, _, _ := c.Redis.TLSCA.readCertificates()
	client, _, _ := c.Redis.TLSCert.readCertificates()
	for _, s := range []struct {
		name         string
		certificates []*x509.Certificate
	}{{"REDIS_TLS_CA", ca}, {"REDIS_TLS_CERT", client[:min(1, len(client))]}} {
		isValid := func(c *x509.Certificate) bool { return !now.Before(c.NotBefore) && !now.After(c.NotAfter) }
		if len(s.certificates) == 0 || slices.ContainsFunc(s.certificates, isValid) {
			continue
		}
		first := s.certificates[0]
		c.addWarning("%s has no certificate that is valid now (%s to %s): renew it, which "+
			"needs no restart, or correct this machine's clock",
			s.name, first.NotBefore.Format(time.RFC3339), first.NotAfter.Format(time.RFC3339))
	}
}
