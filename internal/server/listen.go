package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// listen opens the listeners, with their limits and TLS.
func (s *Server) listen(ctx context.Context) error {
	files, err := raiseFileLimit()
	if err != nil {
		return err
	}
	limit, err := connectionLimit(s.cfg.MaxConnections, files)
	if err != nil {
		return err
	}
	if s.cfg.MaxConnections == 0 && limit < DefaultMaxConnections {
		s.log.Warn("few files may be open, so few connections are taken: raise the limit (ulimit -n, LimitNOFILE=)", "files", files, "connections", limit)
	}
	share := max(1, limit/(1+len(s.cfg.Endpoints)))
	if s.listener, err = s.open(ctx, s.cfg.Listen, s.http, share); err != nil {
		return err
	}
	return s.listenEndpoints(ctx, share)
}

// open opens one listener, which h is to serve.
func (s *Server) open(ctx context.Context, address string, h *http.Server, limit int) (net.Listener, error) {
	l, err := (&net.ListenConfig{KeepAliveConfig: keepAlive}).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is in use by another program: stop it, or listen elsewhere with --listen", address)
	}
	if err != nil {
		return nil, err
	}
	c := newConnections(l, s.cfg.limits, limit, s.certs != nil, s.metrics.connections, &refusals{log: s.log, clock: s.cfg.Clock})
	h.ConnState, h.ConnContext = c.changed, c.context
	if s.certs != nil {
		return tls.NewListener(c, s.certs.config()), nil
	}
	return c, nil
}

// newHTTPServer makes the HTTP server, of HTTP/1.1 alone. Its header timeout
// bounds the TLS handshake too; what else a client may take time for is in
// limits, and kept by conn and timedBody.
func (s *Server) newHTTPServer(h http.Handler) *http.Server {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return &http.Server{
		Handler:           h,
		Protocols:         p,
		ReadHeaderTimeout: s.cfg.limits.header,
		IdleTimeout:       s.cfg.limits.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(&httpLog{lines: &refusals{log: s.log, clock: s.cfg.Clock}, handshakes: s.metrics.tls.handshakes}, "", 0),
	}
}

// Endpoint returns the base URL at which clients find the listener.
func (s *Server) Endpoint() string { return s.url(s.listener) }

// url is the base URL of a listener.
func (s *Server) url(l net.Listener) string {
	addr, ok := l.Addr().(*net.TCPAddr)
	if s.certs == nil || !ok {
		return "http://" + l.Addr().String()
	}
	host := s.certs.host(addr.AddrPort().Addr().Unmap())
	return "https://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// CAFile returns the path of the certificate that clients have to trust, or ""
// when there is none of ours.
func (s *Server) CAFile() string {
	if s.certs == nil || s.certs.ca == nil {
		return ""
	}
	return CAFile(s.cfg.DataDir)
}

// endpoint is what other commands of this machine need to know of the listener.
func (s *Server) endpoint() endpointFile {
	return endpointFile{Endpoint: s.Endpoint(), Region: s.Region(), Address: s.listener.Addr().String(), CAFile: s.CAFile()}
}
