package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// VPCEndpoint is a listener that stands for a VPC endpoint: what comes in by it
// has the condition keys aws:SourceVpce, aws:SourceVpc and aws:VpcSourceIp, not
// aws:SourceIp, and passes the endpoint's policy. The network in front of it
// decides who can reach it; the server does not look where callers are.
//
// Source: AWS PrivateLink Guide, "Control access to VPC endpoints using endpoint policies".
type VPCEndpoint struct {
	// ID and VPC are the values of aws:SourceVpce and aws:SourceVpc, such as
	// vpce-1a2b3c4d and vpc-111bbb22. Required, ID once in a server.
	ID, VPC string
	// Listen is the address, as Config.Listen. Required. It speaks TLS if the
	// server does.
	Listen string
	// Policy is the endpoint policy, JSON. Default: everything is allowed.
	// Principals are matched by the ARNs that stand there.
	Policy []byte
}

var (
	vpceForm = regexp.MustCompile(`^vpce-[0-9a-z]{1,32}$`)
	vpcForm  = regexp.MustCompile(`^vpc-[0-9a-z]{1,32}$`)
)

// checkEndpoints refuses endpoints that cannot be.
func (c *Config) checkEndpoints() error {
	seen := map[string]bool{}
	for _, e := range c.Endpoints {
		if err := c.checkEndpoint(e); err != nil {
			return err
		}
		if seen[e.ID] {
			return fmt.Errorf("endpoint %s is declared twice", e.ID)
		}
		seen[e.ID] = true
	}
	return nil
}

func (c *Config) checkEndpoint(e VPCEndpoint) error {
	if !vpceForm.MatchString(e.ID) {
		return fmt.Errorf("endpoint id %q: want vpce- and letters and digits, as in vpce-1a2b3c4d", e.ID)
	}
	if !vpcForm.MatchString(e.VPC) {
		return fmt.Errorf("endpoint %s, VPC %q: want vpc- and letters and digits, as in vpc-111bbb22", e.ID, e.VPC)
	}
	if err := c.checkListen(e.Listen); err != nil {
		return fmt.Errorf("endpoint %s, %w", e.ID, err)
	}
	if e.Policy != nil {
		if _, err := policy.Parse(policy.Endpoint, e.Policy); err != nil {
			return fmt.Errorf("policy of endpoint %s: %w", e.ID, err)
		}
	}
	return nil
}

// endpointListener is an open VPCEndpoint.
type endpointListener struct {
	VPCEndpoint
	http     *http.Server
	listener net.Listener
}

// listenEndpoints opens the listeners of all endpoints, for at most limit
// connections each.
func (s *Server) listenEndpoints(ctx context.Context, limit int) error {
	for _, e := range s.cfg.Endpoints {
		// The same edge in all but this: who comes in here comes through e.
		through := *s.http.Handler.(*edge)
		through.endpoint = &identity.Endpoint{ID: e.ID, VPC: e.VPC, Policy: e.Policy}
		h := s.newHTTPServer(&through)
		l, err := s.open(ctx, e.Listen, h, limit)
		if err != nil {
			return fmt.Errorf("endpoint %s: %w", e.ID, err)
		}
		s.endpoints = append(s.endpoints, endpointListener{e, h, l})
	}
	return nil
}

// EndpointURL returns the base URL of the VPC endpoint with an id, or "" when
// there is none.
func (s *Server) EndpointURL(id string) string {
	for _, e := range s.endpoints {
		if e.ID == id {
			return s.url(e.listener)
		}
	}
	return ""
}

// serveEndpoints answers at the endpoints until they are closed, and tells
// failed of each.
func (s *Server) serveEndpoints(failed chan<- error) {
	for _, e := range s.endpoints {
		s.log.Info("serving VPC endpoint", "id", e.ID, "vpc", e.VPC, "endpoint", s.url(e.listener))
		go func() { failed <- e.http.Serve(e.listener) }()
	}
}

// stopEndpoints lets the requests under way finish, until ctx ends.
func (s *Server) stopEndpoints(ctx context.Context) error {
	var errs []error
	for _, e := range s.endpoints {
		if err := e.http.Shutdown(ctx); err != nil {
			errs = append(errs, err, e.http.Close())
		}
	}
	return errors.Join(errs...)
}

// abortEndpoints ends what is under way.
func (s *Server) abortEndpoints() error {
	var errs []error
	for _, e := range s.endpoints {
		errs = append(errs, e.http.Close())
	}
	return errors.Join(errs...)
}

// closeEndpoints closes the listeners.
func (s *Server) closeEndpoints() error {
	var errs []error
	for _, e := range s.endpoints {
		if err := e.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.endpoints = nil
	return errors.Join(errs...)
}

// bootstrapEndpoint is an endpoint in the bootstrap file.
type bootstrapEndpoint struct {
	ID         text     `yaml:"id"`
	VPC        text     `yaml:"vpc"`
	Listen     text     `yaml:"listen"`
	Policy     document `yaml:"policy"`
	PolicyFile text     `yaml:"policyFile"`
}

// declared adds the endpoints of the bootstrap file to those of the
// configuration. Nothing of them is stored: the file says at each start which
// there are.
func (p *plan) declared(endpoints []bootstrapEndpoint) ([]VPCEndpoint, error) {
	all := p.s.cfg.Endpoints[:len(p.s.cfg.Endpoints):len(p.s.cfg.Endpoints)]
	for _, e := range all {
		p.seen["endpoint\x00\x00"+e.ID] = text{}
	}
	for _, b := range endpoints {
		if err := p.once("endpoint", "", b.ID); err != nil {
			return nil, err
		}
		at := b.ID.or(b.Listen).or(b.VPC)
		d, err := p.document(at, policy.Endpoint, "policy of endpoint "+b.ID.s, "policy", b.Policy, b.PolicyFile)
		if err != nil {
			return nil, err
		}
		e := VPCEndpoint{ID: b.ID.s, VPC: b.VPC.s, Listen: b.Listen.s}
		if d != nil {
			e.Policy = d.parsed.Text()
		}
		if err := p.s.cfg.checkEndpoint(e); err != nil {
			return nil, at.wrap(err)
		}
		all = append(all, e)
	}
	return all, nil
}
