package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// checkLocalCA opens the local CA, if there is one, and compares the file that
// clients have of it.
func checkLocalCA(ctx context.Context, cfg Config) (string, error) {
	st, err := sqlite.OpenReadOnly(ctx, databasePath(cfg.DataDir))
	if err != nil {
		return "", err
	}
	defer st.Close()
	doc, err := readLocalCADoc(ctx, st)
	if err != nil {
		return "", err
	}
	if doc == nil {
		return "no CA of our own", nil
	}
	c, err := readCustody(ctx, st, cfg)
	if err != nil {
		return "", err
	}
	ca, _, err := loadLocalCA(ctx, st, c.Module, doc)
	if err != nil {
		return "", err
	}
	file := CAFile(cfg.DataDir)
	switch text, err := os.ReadFile(file); {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s is missing, which clients need to trust the server: the next start with --tls self writes it", file)
	case err != nil:
		return "", err
	case !bytes.Equal(text, ca.PEM()):
		return "", fmt.Errorf("%s is not the certificate of the CA: remove it, and the next start with --tls self writes it", file)
	}
	if err := checkExpiry("the local CA", ca.NotAfter(), cfg.Clock()); err != nil {
		return "", fmt.Errorf("%w; make a new one by one start with --tls-new-ca", err)
	}
	return fmt.Sprintf("%s, until %s", file, ca.NotAfter().UTC().Format(time.DateOnly)), nil
}

// checkExpiry finds a certificate that ends within expiryWarning.
func checkExpiry(what string, end, now time.Time) error {
	if left := end.Sub(now); left < expiryWarning {
		return fmt.Errorf("%s ends at %s, in %v: replace it in time", what, end.UTC().Format(time.RFC3339), left.Round(time.Hour))
	}
	return nil
}

// client returns what speaks to the server of this machine: at the listener's
// address, whatever the name in the certificate resolves to. It trusts the
// server's own CA. A certificate from elsewhere is not judged, only its age: a
// client's trust may not be this machine's, and nothing secret is sent.
func (e endpointFile) client() (*http.Client, error) {
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if e.CAFile != "" {
		pool, err := verifyPool(e.CAFile)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = pool
	} else {
		t.TLSClientConfig.InsecureSkipVerify = true
	}
	if e.Address != "" {
		t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, e.Address)
		}
	}
	return &http.Client{Transport: t}, nil
}
