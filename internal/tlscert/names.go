package tlscert

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Names are the names that a server certificate is for, its subject
// alternative names: DNS names in lower case, each perhaps with "*." before
// it, and addresses of 4 or 16 bytes. No name is there twice.
type Names struct {
	DNS []string
	IPs []net.IP
}

// dnsForm is a host name (RFC 1123 section 2.1) of lower-case labels.
var dnsForm = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

// Add adds a host: an address, or a DNS name without wildcard.
func (n *Names) Add(host string) error {
	if ip, err := netip.ParseAddr(host); err == nil {
		n.AddIP(ip)
		return nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if len(host) > 253 || !dnsForm.MatchString(host) {
		return fmt.Errorf("%q is neither a DNS name (without wildcard) nor an address", host)
	}
	n.addDNS(host)
	return nil
}

// AddDomain adds a host and, when it is a DNS name, the names one label below
// it: buckets in virtual-hosted style are there.
func (n *Names) AddDomain(host string) error {
	if err := n.Add(host); err != nil {
		return err
	}
	if _, err := netip.ParseAddr(host); err != nil {
		n.addDNS("*." + strings.ToLower(strings.TrimSuffix(host, ".")))
	}
	return nil
}

// AddIP adds an address, without its zone.
func (n *Names) AddIP(ip netip.Addr) {
	b := net.IP(ip.Unmap().WithZone("").AsSlice())
	if !slices.ContainsFunc(n.IPs, b.Equal) {
		n.IPs = append(n.IPs, b)
	}
}

func (n *Names) addDNS(name string) {
	if !slices.Contains(n.DNS, name) {
		n.DNS = append(n.DNS, name)
	}
}
