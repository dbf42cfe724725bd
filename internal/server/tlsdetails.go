package server

import "crypto/tls"

// tlsDetails names version and cipher suite as CloudTrail does: TLSv1.3 with
// the names of RFC 8446, TLSv1.2 with OpenSSL's.
func tlsDetails(s *tls.ConnectionState) (version, cipher string) {
	cipher = tls.CipherSuiteName(s.CipherSuite)
	if s.Version == tls.VersionTLS13 {
		return "TLSv1.3", cipher
	}
	switch s.CipherSuite {
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:
		cipher = "ECDHE-ECDSA-AES128-GCM-SHA256"
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:
		cipher = "ECDHE-RSA-AES128-GCM-SHA256"
	case tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:
		cipher = "ECDHE-ECDSA-AES256-GCM-SHA384"
	case tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:
		cipher = "ECDHE-RSA-AES256-GCM-SHA384"
	case tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		cipher = "ECDHE-ECDSA-CHACHA20-POLY1305"
	case tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		cipher = "ECDHE-RSA-CHACHA20-POLY1305"
	}
	return "TLSv1.2", cipher
}
