package server

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
)

// step puts one thing of the bootstrap file in place, unless it is there. It
// does nothing but what it does in its transaction.
type step struct {
	at  text
	put func(tx *store.Tx) error
}

// errRehearsed ends the transaction of a rehearsal.
var errRehearsed = errors.New("server: the bootstrap file was rehearsed")

// applyBootstrap puts in place what the bootstrap file declares. It is done at
// every start; doing it again changes nothing.
//
// The whole file is rehearsed first, in a transaction that is given up: a file
// with a mistake in it, or one that contradicts what is there, changes nothing.
// Then each step has a transaction of its own, because each has an audit
// record of its own. A process killed in between goes on at its next start.
func (s *Server) applyBootstrap(ctx context.Context) error {
	b, err := readBootstrap(s.cfg.BootstrapFile)
	if err != nil {
		return err
	}
	steps, endpoints, err := s.steps(b)
	if err == nil {
		err = s.store.Update(ctx, func(tx *store.Tx) error {
			for _, st := range steps {
				if err := st.put(tx); err != nil {
					return st.at.wrap(err)
				}
			}
			return errRehearsed
		})
	}
	if !errors.Is(err, errRehearsed) {
		return fmt.Errorf("bootstrap file %s: %w", s.cfg.BootstrapFile, err)
	}
	for _, st := range steps {
		if err := s.store.Update(ctx, st.put); err != nil {
			return fmt.Errorf("bootstrap file %s: %w", s.cfg.BootstrapFile, st.at.wrap(err))
		}
	}
	s.cfg.Endpoints = endpoints
	return nil
}

// plan collects the steps of a file.
type plan struct {
	s     *Server
	steps []step
	seen  map[string]text // what has been declared, by kind and name

	trust   map[text]*document // trust policies, by the names of their roles
	trusted map[string]bool    // whom they name
}

// steps returns them, and all VPC endpoints. It reads secrets and checks what can be checked without the database.
func (s *Server) steps(b *bootstrap) ([]step, []VPCEndpoint, error) {
	p := &plan{s: s, seen: map[string]text{}, trust: map[text]*document{}, trusted: map[string]bool{}}
	if err := p.principals(b.Accounts); err != nil {
		return nil, nil, err
	}
	for _, a := range b.Accounts {
		if err := p.resources(a); err != nil {
			return nil, nil, err
		}
	}
	endpoints, err := p.declared(b.Endpoints)
	return p.steps, endpoints, err
}

func (p *plan) add(at text, put func(tx *store.Tx) error) {
	p.steps = append(p.steps, step{at, put})
}

// once refuses what the file has declared before.
func (p *plan) once(kind string, scope string, name text) error {
	id := kind + "\x00" + scope + "\x00" + name.s
	if first, ok := p.seen[id]; ok {
		return name.errorf("%s %s is declared twice, in line %d first", kind, name.s, first.line)
	}
	p.seen[id] = name
	return nil
}

// resources adds the steps of an account's keys and buckets. Their policies
// name principals, which are in place by then, of all accounts.
func (p *plan) resources(a bootstrapAccount) error {
	for _, k := range a.Keys {
		if err := p.key(a.ID, k); err != nil {
			return err
		}
	}
	for _, b := range a.Buckets {
		if err := p.once("bucket", "", b.Name); err != nil {
			return err
		}
		at := b.Name.or(a.ID)
		p.add(at, func(tx *store.Tx) error {
			return p.s.s3.PutBucketIn(tx, s3.Bucket{Name: b.Name.s, Account: a.ID.s, Region: p.region(b.Region)})
		})
		d, err := p.document(at, policy.Bucket, "policy of bucket "+b.Name.s, "policy", b.Policy, b.PolicyFile)
		if err != nil {
			return err
		}
		if d == nil {
			continue // one that the bucket has stays
		}
		p.add(at, func(tx *store.Tx) error {
			return d.wrap(p.s.s3.PutBucketPolicyIn(tx, p.s.iam.In(tx), b.Name.s, d.parsed.Text()))
		})
	}
	return nil
}

// region is the region that the file gives, or the default one.
func (p *plan) region(given text) string {
	if given.given() {
		return given.s
	}
	return p.s.cfg.Regions[0]
}

func (p *plan) accessKeys(account, user text, keys []bootstrapAccessKey) error {
	for _, k := range keys {
		if err := p.once("access key", "", k.ID); err != nil {
			return err
		}
		at := k.ID.or(k.Secret).or(k.SecretFile).or(user).or(account)
		if k.Absent {
			if k.Secret.given() || k.SecretFile.given() {
				return at.errorf("access key %s is absent, so give no secret of it", k.ID.s)
			}
			p.add(at, func(tx *store.Tx) error { return p.s.iam.DeleteAccessKeyIn(tx, account.s, user.s, k.ID.s) })
			continue
		}
		value, err := exclusive(at, "secret", k.Secret, k.SecretFile)
		if err != nil {
			return err
		}
		put := iam.AccessKey{Account: account.s, UserName: user.s, ID: k.ID.s, Secret: secret.New(value)}
		p.add(at, func(tx *store.Tx) error { return p.s.iam.PutAccessKeyIn(tx, put) })
	}
	return nil
}

// exclusive returns a value that stands in the file or in a file of its own,
// nil when it is in neither.
func exclusive(at text, name string, value, file text) ([]byte, error) {
	switch {
	case value.given() && file.given():
		return nil, at.errorf("give %s or %sFile, not both", name, name)
	case file.given():
		b, err := os.ReadFile(file.s)
		if err != nil {
			return nil, file.wrap(err)
		}
		return []byte(strings.TrimSpace(string(b))), nil
	case value.given():
		return []byte(value.s), nil
	}
	return nil, nil
}

func (p *plan) key(account text, k bootstrapKey) error {
	at := k.ID.or(k.Region).or(account)
	region := p.region(k.Region)
	if !k.ID.given() {
		return at.errorf("a key needs its id, a UUID: without one, every start would make another key")
	}
	if err := p.once("key", account.s+"/"+region, k.ID); err != nil {
		return err
	}
	seed := kms.Seed{Account: account.s, Region: region, ID: k.ID.s, Enabled: k.Enabled}
	if k.Description.given() {
		seed.Description = &k.Description.s
	}
	for _, alias := range k.Aliases {
		if err := p.once("alias", account.s+"/"+region, alias); err != nil {
			return err
		}
		seed.Aliases = append(seed.Aliases, alias.s)
	}
	if k.Tags != nil {
		seed.Tags = make(map[string]string, len(k.Tags))
		for name, value := range k.Tags {
			seed.Tags[name] = value.s
		}
	}
	policyOf, err := p.document(at, policy.Key, "policy of key "+k.ID.s, "policy", k.Policy, k.PolicyFile)
	if err != nil {
		return err
	}
	if policyOf != nil {
		seed.Policy = policyOf.s
	}
	encoded, err := exclusive(at, "material", k.Material, k.MaterialFile)
	if err != nil {
		return err
	}
	if encoded != nil {
		raw, err := base64.StdEncoding.DecodeString(string(encoded))
		if err != nil || len(raw) != kms.MaterialSize { // not %w: the error may quote the material
			return k.Material.or(k.MaterialFile).errorf("key material is %d bytes in base64", kms.MaterialSize)
		}
		seed.Material = secret.New(raw)
		clear(encoded)
	}
	p.add(at, func(tx *store.Tx) error {
		err := p.s.kms.PutKeyIn(tx, seed)
		if policyOf != nil {
			err = policyOf.wrap(err)
		}
		return err
	})
	return nil
}
