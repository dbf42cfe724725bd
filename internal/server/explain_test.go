package server

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/store"
)

// TestExplainRefusesTamperedRows: a policy or a principal that somebody has
// widened by hand, with the right checksum, is named, and nothing is answered.
func TestExplainRefusesTamperedRows(t *testing.T) {
	h := newHouse(t)
	grow := func(r *rawRow) { r.doc = append(r.doc, ' ') } // JSON still, of the same meaning
	for _, tt := range []struct{ table, key string }{
		{"kms_keys", h.keyRow}, {"kms_aliases", h.aliasRow}, {"buckets", "bucket"}, {"accounts", DefaultAccount},
	} {
		t.Run(tt.table, func(t *testing.T) {
			dir := h.copied(t)
			q := Question{Principal: identity.RootARN(DefaultAccount), Action: "kms:Decrypt", Resource: h.key}
			if e, err := Explain(t.Context(), Config{DataDir: dir}, q); err != nil || !e.Allowed {
				t.Fatalf("got allowed %v (%v) before the row was changed, want it", e.Allowed, err)
			}
			change(t, dir, tt.table, tt.key, true, grow)
			_, err := Explain(t.Context(), Config{DataDir: dir}, q)
			if bad, ok := errors.AsType[*store.TamperedError](err); !ok || string(bad.Table) != tt.table || bad.Key != tt.key {
				t.Errorf("explain: got %v, want row %s/%s named", err, tt.table, tt.key)
			}
			_, err = WhoCan(t.Context(), Config{DataDir: dir}, WhoCanQuestion{Action: "kms:Decrypt", Resource: h.key})
			if bad, ok := errors.AsType[*store.TamperedError](err); !ok || bad.Key != tt.key {
				t.Errorf("who-can: got %v, want row %s/%s named", err, tt.table, tt.key)
			}
		})
	}
}

// TestExplainEndpoint: the policy of a VPC endpoint is not in the data
// directory, so a refusal by it is told from the record, and not taken for one
// that would not happen today.
func TestExplainEndpoint(t *testing.T) {
	dir, file := dataDirIn(t), filepath.Join(t.TempDir(), "bootstrap.yaml")
	if err := os.WriteFile(file, []byte(inVPC), 0o600); err != nil {
		t.Fatal(err)
	}
	s, stop := start(t, Config{DataDir: dir, BootstrapFile: file})
	defer stop()
	for _, tt := range []struct{ name, endpoint, key, reason, layer string }{
		{"the endpoint's policy", "vpce-1a2b3c4d", "alias/vpc", "because no VPC endpoint policy allows the kms:Decrypt action", "it refused the request"},
		{"the key's policy", "vpce-0f0f", "alias/vpc", "with an explicit deny in a resource-based policy", "it is taken to allow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			front := clientFor(s.Endpoint(), "AKIABOBEXAMPLE000001", "a-secret-of-bob-0", DefaultRegion, 1)
			sealed, err := front.kms.Encrypt(t.Context(), &awskms.EncryptInput{KeyId: aws.String(tt.key), Plaintext: []byte("hush")})
			if err != nil {
				t.Fatal(err)
			}
			bob := clientFor(s.EndpointURL(tt.endpoint), "AKIABOBEXAMPLE000001", "a-secret-of-bob-0", DefaultRegion, 1)
			if _, err := bob.kms.Decrypt(t.Context(), &awskms.DecryptInput{KeyId: aws.String(tt.key), CiphertextBlob: sealed.CiphertextBlob}); err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Fatalf("got %v from Decrypt, want %s", err, tt.reason)
			}
			es, err := ExplainRequest(t.Context(), Config{DataDir: dir}, lastRefused(t, dir))
			if err != nil || len(es) != 1 {
				t.Fatalf("got %d explanations (%v), want one", len(es), err)
			}
			e := es[0]
			if e.Allowed || e.Request.Changed || !strings.HasSuffix(e.Message, tt.reason) {
				t.Errorf("got allowed %v, changed %v, %q, want what was recorded", e.Allowed, e.Request.Changed, e.Message)
			}
			if !slices.ContainsFunc(e.Layers, func(l ExplainedLayer) bool { return strings.HasSuffix(l.Says, tt.layer) }) {
				t.Errorf("got layers %+v, want one that says %s", e.Layers, tt.layer)
			}
		})
	}
}

// lastRefused returns the id of the last request in the trail that was refused.
func lastRefused(t *testing.T, dir string) (id string) {
	t.Helper()
	err := eachRecord(t.Context(), dir, func(record []byte) error {
		var r trailRecord
		err := json.Unmarshal(record, &r)
		if r.ErrorCode == denied {
			id = r.RequestID
		}
		return err
	})
	if err != nil || id == "" {
		t.Fatalf("no refused request in the trail (%v)", err)
	}
	return id
}
