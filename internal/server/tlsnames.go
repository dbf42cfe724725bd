package server

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/strongroom/strongroom/internal/tlscert"
)

// certificateNames lists what the certificate of --tls self is for: this
// machine, the domains under which S3 takes buckets as hosts, and --tls-name.
// Wanted are those that somebody asked for; the addresses of the machine's interfaces
// come with them when the server listens on all.
func certificateNames(cfg Config) (wanted tlscert.Names, interfaces []netip.Addr, err error) {
	for _, name := range append([]string{"localhost", "s3.localhost"}, cfg.S3Domains...) {
		if name == "amazonaws.com" || strings.HasSuffix(name, ".amazonaws.com") {
			continue // AWS's own names: only when --tls-name asks for them
		}
		if err := wanted.AddDomain(name); err != nil {
			return wanted, nil, err
		}
	}
	wanted.AddIP(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	wanted.AddIP(netip.IPv6Loopback())
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return wanted, nil, err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		interfaces = interfaceAddresses()
	} else if err := wanted.Add(host); err != nil {
		return wanted, nil, fmt.Errorf("listen address: %w", err)
	}
	for _, name := range cfg.TLSNames {
		if err := wanted.AddDomain(name); err != nil {
			return wanted, nil, err
		}
	}
	return wanted, interfaces, nil
}

// interfaceAddresses returns the addresses of this machine; none when the
// system does not tell, for then clients need a name, which they ask for.
func interfaceAddresses() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && !ip.IsLoopback() {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out
}
