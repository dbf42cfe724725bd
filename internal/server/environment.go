package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/durable"
)

// endpointFile tells `strongroom env` where the server of a data directory
// listens, or listened last.
type endpointFile struct {
	Endpoint string
	Region   string
	Address  string // that the listener has
	CAFile   string `json:",omitempty"` // as [Server.CAFile]
}

func endpointPath(dataDir string) string { return filepath.Join(dataDir, "endpoint.json") }

func writeEndpoint(files durable.Files, dataDir string, e endpointFile) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return files.WriteFile(endpointPath(dataDir), append(b, '\n'), 0o600)
}

// readEndpoint reads what the last server of the directory wrote.
func readEndpoint(dataDir string) (endpointFile, error) {
	var e endpointFile
	b, err := os.ReadFile(endpointPath(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return e, fmt.Errorf("no server has been started with data directory %s yet: start one with `strongroom serve --data-dir %s`, or name another with --data-dir", dataDir, dataDir)
	}
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("%s: %w", endpointPath(dataDir), err)
	}
	return e, nil
}

// Variable is one variable of the environment.
type Variable struct{ Name, Value string }

// Environment returns the variables that point AWS's clients at the server of
// a data directory with its root credential.
func Environment(dataDir string) ([]Variable, error) {
	e, err := readEndpoint(dataDir)
	if err != nil {
		return nil, err
	}
	id, sec := os.Getenv("STRONGROOM_ROOT_ACCESS_KEY_ID"), os.Getenv("STRONGROOM_ROOT_SECRET_ACCESS_KEY")
	if id == "" || sec == "" {
		k, err := readCredentials(CredentialsFile(dataDir))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is not there: the root credential was given by STRONGROOM_ROOT_ACCESS_KEY_ID and STRONGROOM_ROOT_SECRET_ACCESS_KEY; set them here too", CredentialsFile(dataDir))
		}
		if err != nil {
			return nil, err
		}
		id, sec = k.ID, string(k.Secret.Expose())
	}
	env := []Variable{
		{"AWS_ENDPOINT_URL", e.Endpoint},
		{"AWS_ACCESS_KEY_ID", id},
		{"AWS_SECRET_ACCESS_KEY", sec},
		{"AWS_REGION", e.Region},
		{"AWS_DEFAULT_REGION", e.Region},
	}
	if e.CAFile != "" {
		ca, err := filepath.Abs(e.CAFile) // the shell may go elsewhere
		if err != nil {
			return nil, err
		}
		env = append(env, Variable{"AWS_CA_BUNDLE", ca})
	}
	return env, nil
}
