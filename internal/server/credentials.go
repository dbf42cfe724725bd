package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/secret"
)

// ensureRootCredential gives the account's root user an access key: the
// configured one, else the one that is there, else a new one.
//
// A new one is written to the credentials file before it is stored, so that no
// crash leaves a server whose only secret nobody knows. A file that is there
// while the database has no root key (a crash in between, or a data directory
// that was removed) is taken over.
func ensureRootCredential(ctx context.Context, svc *iam.Service, cfg Config) error {
	if err := svc.PutAccount(ctx, cfg.Account); err != nil {
		return err
	}
	if cfg.RootAccessKeyID != "" {
		return svc.PutAccessKey(ctx, iam.AccessKey{Account: cfg.Account, ID: cfg.RootAccessKeyID, Secret: cfg.RootSecretAccessKey})
	}
	if svc.HasRootKey(cfg.Account) {
		return nil
	}
	path := CredentialsFile(cfg.DataDir)
	files := durable.On(cfg.fs)
	key, err := readCredentialsOn(files.FS(), path)
	if errors.Is(err, fs.ErrNotExist) {
		key = iam.NewAccessKey(cfg.Account)
		err = files.CreateFile(path, formatCredentials(key), 0o600)
	}
	if err != nil {
		return err
	}
	key.Account = cfg.Account
	return svc.PutAccessKey(ctx, key)
}

func formatCredentials(k iam.AccessKey) []byte {
	return []byte("[default]\naws_access_key_id = " + k.ID + "\naws_secret_access_key = " + string(k.Secret.Expose()) + "\n")
}

// readCredentials reads the access key of the default profile of an AWS
// credentials file. Account is left empty.
func readCredentials(path string) (iam.AccessKey, error) {
	return readCredentialsOn(durable.OS{}, path)
}

func readCredentialsOn(fsys durable.FS, path string) (iam.AccessKey, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return iam.AccessKey{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return iam.AccessKey{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return iam.AccessKey{}, fmt.Errorf("credentials file %s can be read by others (mode %04o): chmod 600 it, and replace the key if others may have read it", path, info.Mode().Perm())
	}
	var k iam.AccessKey
	section := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || section != "[default]" {
			continue
		}
		switch strings.TrimSpace(name) {
		case "aws_access_key_id":
			k.ID = strings.TrimSpace(value)
		case "aws_secret_access_key":
			k.Secret = secret.New([]byte(strings.TrimSpace(value)))
		}
	}
	if k.ID == "" || k.Secret.Len() == 0 {
		return iam.AccessKey{}, fmt.Errorf("credentials file %s has no aws_access_key_id and aws_secret_access_key under [default]", path)
	}
	return k, nil
}
