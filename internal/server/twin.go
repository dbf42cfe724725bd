package server

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/strongroom/strongroom/internal/backup"
)

// TwinError says that a copy of this installation is being served elsewhere.
type TwinError struct {
	Installation string
	Where        string // "by process 17 of user 0 on this machine", "at http://…"
}

// Error implements error.
func (e *TwinError) Error() string {
	return fmt.Sprintf("installation %s is served already, %s: two of it would each destroy and disable keys that the other goes on using, and keep two trails; "+
		"stop the other one for good, or say --beside-twin if this is what you want", e.Installation, e.Where)
}

// twinPatience is how long the server that a backup names has for its answer.
const twinPatience = 3 * time.Second

// askTwin asks the endpoints that a backup was taken from whether the
// installation is served there, before a restored copy of it is served for the
// first time. One that does not answer is no twin that could be seen; that is
// logged. Who answers is not verified: nothing is told to it but the question,
// and a false answer can only make an operator look.
func askTwin(ctx context.Context, log *slog.Logger, m backup.Mark) error {
	for _, endpoint := range m.Endpoints {
		h, err := askHealth(ctx, endpoint)
		switch {
		case err != nil:
			log.Info("no server answers where the backup was taken", "endpoint", endpoint, "error", err)
		case h.Installation == m.Installation:
			return &TwinError{m.Installation, "at " + endpoint}
		default:
			log.Info("another installation is served where the backup was taken", "endpoint", endpoint)
		}
	}
	return nil
}

// askHealth gets /_/health of a server, whatever its status.
func askHealth(ctx context.Context, endpoint string) (h health, err error) {
	ctx, cancel := context.WithTimeout(ctx, twinPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/_/health", nil)
	if err != nil {
		return h, err
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // see askTwin
		DisableKeepAlives: true,
	}
	c := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		return h, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 4096)).Decode(&h); err != nil {
		return h, errors.New("the answer is not that of a Strongroom server")
	}
	return h, nil
}
