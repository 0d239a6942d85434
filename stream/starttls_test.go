package stream

import (
	"crypto/tls"
)

// serverTLS is the configuration of a server with one certificate.
func serverTLS(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}
