package kmsdb

import (
	"slices"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// Manager says who a key belongs to. The zero value is invalid.
type Manager string

// The managers of keys. The first two are AWS's values of KeyMetadata.KeyManager.
const (
	Customer Manager = "CUSTOMER" // customer managed key
	AWS      Manager = "AWS"      // AWS managed key, such as that of alias/aws/s3
	Service  Manager = "SERVICE"  // a service's own key: no API id reaches it, no listing shows it
)

// KeyRef names a key. The zero value names none. It is comparable.
type KeyRef struct {
	Account, Region string
	// ID is the key id; empty for a service's own key.
	ID string
	// Service is the short name of the service whose own key this is, such as
	// "s3"; empty for a KMS key.
	Service string
}

// Row returns the key of r's row in kms_keys.
func (r KeyRef) Row() string {
	if r.Service != "" {
		return "service/" + r.Service + "/" + r.Account + "/" + r.Region
	}
	return r.Account + "/" + r.Region + "/" + r.ID
}

// String names the key for errors and logs.
func (r KeyRef) String() string { return r.Row() }

// ARN returns the ARN of a KMS key: arn:aws:kms:region:account:key/id.
func (r KeyRef) ARN() string { return arn.New("kms", r.Region, r.Account, "key/"+r.ID).String() }

// ParseKeyRow is the inverse of [KeyRef.Row]. It reports false for a row that
// no KeyRef names.
func ParseKeyRow(row string) (KeyRef, bool) {
	p := strings.Split(row, "/")
	switch {
	case len(p) == 3:
		return KeyRef{Account: p[0], Region: p[1], ID: p[2]}, true
	case len(p) == 4 && p[0] == "service" && p[1] != "":
		return KeyRef{Service: p[1], Account: p[2], Region: p[3]}, true
	}
	return KeyRef{}, false
}

// Key is the record of a KMS key.
type Key struct {
	Account, Region, ID string

	Description  string
	KeyUsage     kmsapi.KeyUsageType
	KeySpec      kmsapi.KeySpec
	Origin       kmsapi.OriginType
	Manager      Manager
	Service      string          `json:",omitempty"` // of Manager Service: whose key it is
	State        kmsapi.KeyState // as KeyMetadata.KeyState
	CreationDate time.Time
	DeletionDate time.Time `json:",omitzero"` // of a key that is pending deletion: not before
	// PendingWindow is, of a primary key that is pending the deletion of its
	// replicas, how many days it is to wait when the last of them is gone.
	PendingWindow int32  `json:",omitempty"`
	Policy        string // key policy document; empty for a service's own key
	Tags          []Tag  `json:",omitempty"` // in the order of their keys
	MultiRegion   bool

	// PrimaryRegion and ReplicaRegions, sorted, are the regions of the related
	// multi-region keys, the same in the records of all of them; empty for a
	// single-region key.
	PrimaryRegion  string   `json:",omitempty"`
	ReplicaRegions []string `json:",omitempty"`

	// Rotation is the automatic rotation of the material; the zero value is off.
	Rotation Rotation `json:",omitzero"`
	// OnDemandRotations is how many rotations were asked for in the key's life.
	OnDemandRotations int32 `json:",omitempty"`

	// CustomKeyStore is the id of the custom key store that the key is in, or "".
	CustomKeyStore string `json:",omitempty"`

	// Portable says that the material was declared in a bootstrap file: other
	// servers may have the same, and open the same blobs.
	Portable bool `json:",omitempty"`

	// Materials are all versions of the key material, oldest first; their
	// tokens are rows of kms_key_tokens. A key of Origin EXTERNAL has none before
	// the first import.
	Materials []Material
	// Current is the id of the material that encrypts; "" when there is none yet.
	// It stays when imported material is deleted or expires.
	Current string

	rev int64 // as loaded; 0 for a key that is not stored yet
}

// Tag is a name and a value that a user gave a key.
type Tag struct{ Key, Value string }

// Rotation is the automatic rotation of a key's material.
type Rotation struct {
	PeriodDays int32     // 90 to 2560; 0 means off
	Next       time.Time // not before
}

// RotationType says why material became current. "" is the first material, or
// one that never was current.
type RotationType string

// The rotation types, with AWS's values of RotationsListEntry.RotationType.
const (
	Automatic RotationType = "AUTOMATIC"
	OnDemand  RotationType = "ON_DEMAND"
)

// Material is one version of a key's material.
type Material struct {
	ID      string    // 64 hexadecimal digits
	Created time.Time // when it was generated or first imported

	// Rotated is when it became current by a rotation, of Type.
	Rotated time.Time    `json:",omitzero"`
	Type    RotationType `json:",omitempty"`
	// Pending says that it waits to be made current by RotateKeyOnDemand.
	Pending bool `json:",omitempty"`

	// Of imported material:
	Imported    bool      `json:",omitempty"`
	Absent      bool      `json:",omitempty"` // it was deleted or has expired: there is no token
	Description string    `json:",omitempty"` // KeyMaterialDescription
	ValidTo     time.Time `json:",omitzero"`  // when it expires; zero: it does not
}

// Ref returns the name of k.
func (k *Key) Ref() KeyRef {
	if k.Manager == Service {
		return KeyRef{Account: k.Account, Region: k.Region, Service: k.Service}
	}
	return KeyRef{Account: k.Account, Region: k.Region, ID: k.ID}
}

// ARN returns the key ARN, of a service's own key too, although no API takes it.
func (k *Key) ARN() string {
	return KeyRef{Account: k.Account, Region: k.Region, ID: k.ID}.ARN()
}

// Type is the type of k's material.
func (k *Key) Type() hsm.KeyType {
	t, ok := hsm.ParseKeyType(string(k.KeySpec))
	if !ok { // the key of a service has the default, and no other record is without
		return hsm.Symmetric
	}
	return t
}

// Material returns the material with an id; nil when k has none such.
func (k *Key) Material(id string) *Material {
	for i := range k.Materials {
		if k.Materials[i].ID == id {
			return &k.Materials[i]
		}
	}
	return nil
}

// Binding is what the tokens of k's material are bound to. The region's domain
// key wraps them.
func (k *Key) Binding() hsm.Binding {
	return hsm.Binding{Purpose: k.Type().Purpose(), Domain: k.Region, Account: k.Account, Region: k.Region, KeyID: k.ID}
}

// pendingDeletion is what the row of a key refers to while the key waits for
// its deletion, so that those keys are found without reading all.
const pendingDeletion = "PendingDeletion"

// timed is what the row of a key refers to whose material is to be rotated or
// expires one day.
const timed = "Timed"

// reference is what k's row refers to.
func (k *Key) reference() string {
	switch {
	case k.State == kmsapi.KeyStatePendingDeletion:
		return pendingDeletion
	case k.Rotates() || slices.ContainsFunc(k.Materials, func(m Material) bool { return !m.Absent && !m.ValidTo.IsZero() }):
		return timed
	}
	return ""
}

// Rotates reports whether k's material is rotated when its time has come. A
// replica gets new material from its primary key.
func (k *Key) Rotates() bool {
	return k.Rotation.PeriodDays > 0 && (!k.MultiRegion || k.Primary())
}

func tokenRow(ref KeyRef, materialID string) string { return ref.Row() + "/" + materialID }
