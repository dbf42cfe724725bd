package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/secret"
)

// bootstrap is the bootstrap file, docs/bootstrap.md. It is applied at every
// start; applying it again changes nothing.
type bootstrap struct {
	Accounts []bootstrapAccount `yaml:"accounts"`
}

type bootstrapAccount struct {
	ID         string               `yaml:"id"`
	AccessKeys []bootstrapAccessKey `yaml:"accessKeys"` // of the account's root user
	Users      []bootstrapUser      `yaml:"users"`
}

type bootstrapUser struct {
	Name       string               `yaml:"name"`
	Policies   []string             `yaml:"policies"` // names or ARNs of managed policies
	AccessKeys []bootstrapAccessKey `yaml:"accessKeys"`
}

type bootstrapAccessKey struct {
	ID         string `yaml:"id"`
	Secret     string `yaml:"secret"`
	SecretFile string `yaml:"secretFile"`
}

// readBootstrap parses the file. Unknown and repeated keys are refused, with
// the line they stand in.
func readBootstrap(path string) (*bootstrap, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("bootstrap file: %w", err)
	}
	defer f.Close()
	var b bootstrap
	err = yaml.NewDecoder(f, yaml.Strict()).Decode(&b)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("bootstrap file %s: %s", path, firstLine(yaml.FormatError(err, false, false)))
	}
	return &b, nil
}

// firstLine keeps the "[line:column] what" of a YAML error and drops the
// excerpt of the file under it, which may show a secret.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// applyBootstrap puts the file's principals in place.
func applyBootstrap(ctx context.Context, svc *iam.Service, path string) error {
	b, err := readBootstrap(path)
	if err != nil {
		return err
	}
	for _, a := range b.Accounts {
		if err := applyAccount(ctx, svc, a); err != nil {
			return fmt.Errorf("bootstrap file %s: %w", path, err)
		}
	}
	return nil
}

func applyAccount(ctx context.Context, svc *iam.Service, a bootstrapAccount) error {
	if err := svc.PutAccount(ctx, a.ID); err != nil {
		return err
	}
	if err := applyAccessKeys(ctx, svc, a.ID, "", a.AccessKeys); err != nil {
		return err
	}
	for _, u := range a.Users {
		var arns []string
		for _, p := range u.Policies {
			if p == "AdministratorAccess" {
				p = identity.AdministratorAccess
			}
			arns = append(arns, p)
		}
		if err := svc.PutUser(ctx, iam.User{Account: a.ID, Name: u.Name, PolicyARNs: arns}); err != nil {
			return err
		}
		if err := applyAccessKeys(ctx, svc, a.ID, u.Name, u.AccessKeys); err != nil {
			return err
		}
	}
	return nil
}

func applyAccessKeys(ctx context.Context, svc *iam.Service, account, user string, keys []bootstrapAccessKey) error {
	for _, k := range keys {
		s := []byte(k.Secret)
		switch {
		case k.Secret != "" && k.SecretFile != "":
			return fmt.Errorf("access key %s: give secret or secretFile, not both", k.ID)
		case k.SecretFile != "":
			b, err := os.ReadFile(k.SecretFile)
			if err != nil {
				return fmt.Errorf("access key %s: %w", k.ID, err)
			}
			s = []byte(strings.TrimSpace(string(b)))
		}
		if err := svc.PutAccessKey(ctx, iam.AccessKey{Account: account, UserName: user, ID: k.ID, Secret: secret.New(s)}); err != nil {
			return err
		}
	}
	return nil
}
