package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// The worker destroys what is due, at the next start too.
func TestKeysAreDestroyed(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	s, stop := start(t, cfg)
	key := createKey(t, s.Endpoint())
	mustAsk(t, s.Endpoint(), "kms", kmsCall("CreateAlias", `{"AliasName":"alias/app","TargetKeyId":"`+key+`"}`))
	var sealed struct{ CiphertextBlob string }
	if err := json.Unmarshal([]byte(mustAsk(t, s.Endpoint(), "kms", kmsCall("Encrypt", `{"KeyId":"alias/app","Plaintext":"aGVsbG8="}`)).body), &sealed); err != nil {
		t.Fatal(err)
	}
	mustAsk(t, s.Endpoint(), "kms", kmsCall("ScheduleKeyDeletion", `{"KeyId":"`+key+`","PendingWindowInDays":7}`))
	stop()

	clock := cfg.Clock
	cfg.Clock = func() time.Time { return clock().Add(7*24*time.Hour + time.Second) }
	s, stop = start(t, cfg)
	eventually(t, "the key to be destroyed", func() bool { return len(storeRows(t, s.store, store.KMSKeys)) == 0 })
	stop()
	if got := storeRows(t, openStore(t, dir), store.KMSKeyTokens); len(got) != 0 {
		t.Errorf("tokens are left: %q", got)
	}
	events := 0
	for _, r := range records(t, dir) {
		if strings.Contains(r, `"eventName":"DeleteKey"`) {
			events++
		}
	}
	if events != 1 {
		t.Errorf("the trail has %d records of the destruction, want 1", events)
	}
	s, _ = start(t, wireConfig(dir)) // whose clock fits the signatures
	for _, tt := range []struct{ name, op, body, code string }{
		{"the key", "DescribeKey", `{"KeyId":"` + key + `"}`, "NotFoundException"},
		{"the alias", "DescribeKey", `{"KeyId":"alias/app"}`, "NotFoundException"},
		{"the ciphertext", "Decrypt", `{"CiphertextBlob":"` + sealed.CiphertextBlob + `"}`, "AccessDeniedException"},
	} {
		a := ask(t, s.Endpoint(), "kms", kmsCall(tt.op, tt.body))
		if a.status != 400 || !strings.Contains(a.body, tt.code) {
			t.Errorf("%s: got %d %s, want %s", tt.name, a.status, a.body, tt.code)
		}
	}
}

// A server that is killed while it destroys keys goes on at the next start: no
// key is ever half there.
func TestKillWhileDestroying(t *testing.T) {
	t.Parallel()
	const keys = 60
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	cfg.Clock = func() time.Time { return time.Now().Add(-8 * 24 * time.Hour) }
	s, stop := start(t, cfg)
	signer := wireSigner("kms")
	signer.at = cfg.Clock()
	call := func(op, body string) string {
		t.Helper()
		wire, _ := signer.sign(kmsCall(op, body))
		a := exchange(t, dial(t, s.Endpoint()), wire, "POST")
		if a.status != 200 {
			t.Fatalf("%s: got %d %s", op, a.status, a.body)
		}
		return a.body
	}
	for i := range keys {
		var out struct{ KeyMetadata struct{ KeyId string } }
		if err := json.Unmarshal([]byte(call("CreateKey", `{}`)), &out); err != nil {
			t.Fatal(err)
		}
		id := out.KeyMetadata.KeyId
		call("CreateAlias", fmt.Sprintf(`{"AliasName":"alias/%d","TargetKeyId":"%s"}`, i, id))
		call("ScheduleKeyDeletion", `{"KeyId":"`+id+`","PendingWindowInDays":7}`)
	}
	stop()

	inTheMiddle := 0
	for round := 0; ; round++ {
		left := countKeys(t, dir)
		if left > 0 && left < keys {
			inTheMiddle++
		}
		if left == 0 {
			break
		}
		if round == 50 {
			t.Fatalf("%d keys are left after %d starts", left, round)
		}
		c := startChild(t, dir)
		db := openStore(t, dir)
		// Each round lets some more go, so that the kill comes in the middle.
		eventually(t, "some keys to be destroyed", func() bool { return len(storeRows(t, db, store.KMSKeys)) <= max(0, left-6-round) })
		c.kill(t)
	}
	if inTheMiddle == 0 {
		t.Error("no kill came in the middle of the work")
	}
	c := startChild(t, dir) // appends to the trail what the killed ones could not
	c.stop(t)
	events := map[string]int{}
	for _, r := range records(t, dir) {
		var e struct {
			EventName, EventType string
			ResponseElements     struct{ KeyID string }
		}
		if err := json.Unmarshal([]byte(r), &e); err != nil {
			t.Fatal(err)
		}
		if e.EventName == "DeleteKey" && e.EventType == "AwsServiceEvent" {
			events[e.ResponseElements.KeyID]++
		}
	}
	for arn, n := range events {
		if n != 1 {
			t.Errorf("%s was destroyed %d times", arn, n)
		}
	}
	if len(events) != keys {
		t.Errorf("the trail has the end of %d keys, want %d", len(events), keys)
	}
}

// countKeys returns how many keys there are. Each must have its token and its
// alias, and nobody else's may be left.
func countKeys(t *testing.T, dir string) int {
	t.Helper()
	db := openStore(t, dir)
	keys := storeRows(t, db, store.KMSKeys)
	there := map[string]bool{}
	for _, k := range keys {
		there[k] = true
	}
	tokens := storeRows(t, db, store.KMSKeyTokens)
	for _, token := range tokens {
		if !there[token[:strings.LastIndex(token, "/")]] {
			t.Errorf("the token %s is left of a key that is gone", token)
		}
	}
	aliases, err := db.List(t.Context(), store.KMSAliases, store.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range aliases {
		if !there[a.Ref] {
			t.Errorf("the alias %s is left of a key that is gone", a.Key)
		}
	}
	if len(tokens) != len(keys) || len(aliases) != len(keys) {
		t.Errorf("%d keys have %d tokens and %d aliases", len(keys), len(tokens), len(aliases))
	}
	return len(keys)
}

// openStore opens the database of a data directory to look at it.
func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	db, err := sqlite.OpenReadOnly(t.Context(), databasePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// storeRows returns the keys of a table.
func storeRows(t *testing.T, db *store.Store, table store.Table) (keys []string) {
	t.Helper()
	list, err := db.List(t.Context(), table, store.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		keys = append(keys, r.Key)
	}
	return keys
}
