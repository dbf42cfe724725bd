package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// Status is the state of a key hierarchy.
type Status struct {
	RootKey  RootKeyStatus  `json:"rootKey"`
	KeyFiles []KeyFile      `json:"keyFiles,omitempty"` // beside the root key file
	Domains  []DomainStatus `json:"domains"`
	Checked  bool           `json:"checked"` // every token was opened
	// Problems are what has to be seen to, each a line that says what to do.
	Problems []string `json:"problems,omitempty"`
}

// RootKeyStatus says which root key is wanted, and where it was looked for.
type RootKeyStatus struct {
	ID   string `json:"id"`
	File string `json:"file"`
}

// DomainStatus is the state of one domain key.
type DomainStatus struct {
	Domain   string          `json:"domain"`
	Versions []VersionStatus `json:"versions"` // the oldest first; the last one wraps what is new
	// NextRotation is when the server rotates it for its age; zero: never.
	NextRotation time.Time `json:"nextRotation,omitzero"`
	// Requested is when its rotation was requested, unless that is done.
	Requested time.Time `json:"requested,omitzero"`
}

// VersionStatus is one version of a domain key.
type VersionStatus struct {
	Version uint32              `json:"version"`
	Created time.Time           `json:"created,omitzero"` // zero: by a release that did not say
	Tokens  map[store.Table]int `json:"tokens"`           // how many are under it
}

// clockSlack is how far in the future a domain key may have been made.
const clockSlack = 5 * time.Minute

// inspectTries is how often Inspect looks again when the keys changed under it.
const inspectTries = 5

// Inspect reads the state of a key hierarchy and changes nothing: cfg.Store may
// be read-only, and a server may be at work on it. With check it opens every
// token. The error is of what could not be read at all; what is wrong with what
// was read is in Status.Problems.
func Inspect(ctx context.Context, cfg Config, check bool) (s Status, err error) {
	cfg.complete()
	for range inspectTries {
		before, err := readDomainKeys(ctx, cfg.Store)
		if err != nil {
			return Status{}, err
		}
		if s, err = inspect(ctx, cfg, before, check); err != nil {
			return Status{}, err
		}
		after, err := readDomainKeys(ctx, cfg.Store)
		if err != nil {
			return Status{}, err
		}
		if slices.EqualFunc(before, after, func(a, b domainKeyDoc) bool { return a.row() == b.row() }) {
			break // else a token may have been under a version that was not there yet, or no more
		}
	}
	return s, nil
}

func inspect(ctx context.Context, cfg Config, docs []domainKeyDoc, check bool) (Status, error) {
	doc, err := needCustodyDoc(ctx, cfg)
	if err != nil {
		return Status{}, err
	}
	s := Status{
		RootKey:  RootKeyStatus{ID: doc.RootKeyID, File: cfg.RootKeyFile},
		KeyFiles: besideRootKey(cfg.RootKeyFile),
	}
	wrong := func(format string, args ...any) { s.Problems = append(s.Problems, fmt.Sprintf(format, args...)) }
	m, interrupted, err := openRootKey(cfg, doc)
	if err != nil {
		wrong("%v", err)
	}
	if interrupted != "" {
		wrong("a rotation of the root key was interrupted: %s is wanted in the place of %s; starting the server or `strongroom keys rotate-root` finishes it", interrupted, cfg.RootKeyFile)
		for i, f := range s.KeyFiles {
			if f.File == interrupted {
				s.KeyFiles[i].State = Interrupted
			}
		}
	}
	c := newCustody(cfg, m)
	if s.Checked = check && m != nil; s.Checked {
		for _, d := range docs {
			if err := m.InstallDomainKey(d.DomainKeyToken); err != nil {
				wrong("row %s/%s: %v", store.DomainKeys, d.row(), err)
			}
		}
	}
	if err := c.countDomains(ctx, &s, docs); err != nil {
		return Status{}, err
	}
	return s, c.countTokens(ctx, &s)
}

// countDomains fills in the domains, without their tokens.
func (c *Custody) countDomains(ctx context.Context, s *Status, docs []domainKeyDoc) error {
	st := c.cfg.Store
	told, err := readSettings(ctx, st)
	if err != nil {
		return err
	}
	names, versions := domains(docs)
	for _, name := range names {
		d := DomainStatus{Domain: name}
		for _, v := range versions[name] {
			d.Versions = append(d.Versions, VersionStatus{v.Version, v.Created, map[store.Table]int{}})
		}
		newest := versions[name][len(versions[name])-1]
		if ahead := newest.Created.Sub(c.cfg.Clock()); ahead > clockSlack {
			s.Problems = append(s.Problems, fmt.Sprintf("the newest version of domain key %s was made %v in the future, so that its age does not count: set the clock, or run `strongroom keys rotate` if it is right", name, ahead.Round(time.Second)))
		}
		if told.Rotation > 0 {
			d.NextRotation = newest.Created.Add(told.Rotation)
		}
		req, err := readRequest(ctx, st, name)
		if err != nil {
			return err
		}
		if req != nil {
			d.Requested = req.Time
			if newest.Version <= req.Version {
				d.NextRotation = req.Time
			}
		}
		s.Domains = append(s.Domains, d)
	}
	return nil
}

// countTokens counts the tokens under each version, and opens them if the
// status is to be checked.
func (c *Custody) countTokens(ctx context.Context, s *Status) error {
	found := problems{}
	for _, t := range c.tables {
		bad := func(r store.Row, err error) { found[""] = append(found[""], problem{t.Table, r.Key, err}) }
		err := eachPage(ctx, c.cfg.Store, t.Table, func(rows []store.Row) error {
			for _, r := range rows {
				tok, err := readToken(ctx, c.cfg.Store, t, r)
				if err == nil {
					err = s.count(t.Table, tok)
				}
				if err == nil && s.Checked {
					err = c.Module.CheckToken(r.Doc, tok.binding)
				}
				if err == nil {
					continue
				}
				// It may have been re-wrapped, or deleted, since it was listed.
				again, getErr := c.cfg.Store.Get(ctx, t.Table, r.Key)
				if errors.Is(getErr, store.ErrNotFound) || getErr == nil && string(again.Doc) != string(r.Doc) {
					continue
				}
				bad(r, err)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	if err := found.err(); err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	return nil
}

// count adds a token to its version.
func (s *Status) count(t store.Table, tok token) error {
	for _, d := range s.Domains {
		if d.Domain != tok.binding.Domain {
			continue
		}
		for _, v := range d.Versions {
			if v.Version == tok.version {
				v.Tokens[t]++
				return nil
			}
		}
	}
	return fmt.Errorf("domain key %q version %d: %w", tok.binding.Domain, tok.version, hsm.ErrUnknownDomainKey)
}
