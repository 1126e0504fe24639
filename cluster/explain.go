package cluster

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Explain says what to do about an error of a request to an API server at
// host. It wraps the error, and leaves alone what explains itself.
func Explain(err error, host string) error {
	var (
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		dial      *net.OpError
		lookup    *net.DNSError
	)
	switch {
	case err == nil:
		return nil
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s does not accept the credentials: the token or certificate has expired, was revoked or is for another cluster; log in again: %w", host, err)
	case errors.As(err, &authority):
		return fmt.Errorf("the certificate of %s is signed by an authority that is not trusted here; name that authority in the kubeconfig (certificate-authority): %w", host, err)
	case errors.As(err, &invalid), errors.As(err, &name):
		return fmt.Errorf("the certificate of %s is not valid: %w", host, err)
	case errors.As(err, &lookup), errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%s cannot be reached: %w", host, err)
	}
	return err
}
