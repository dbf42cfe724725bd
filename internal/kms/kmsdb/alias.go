package kmsdb

import (
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
)

// AliasRef names an alias. It is comparable.
type AliasRef struct {
	Account, Region string
	Name            string // with the prefix: alias/app
}

// Row returns the key of r's row in kms_aliases.
func (r AliasRef) Row() string { return r.Account + "/" + r.Region + "/" + r.Name }

// ARN returns the alias ARN: arn:aws:kms:region:account:alias/name.
func (r AliasRef) ARN() string { return arn.New("kms", r.Region, r.Account, r.Name).String() }

// ParseAliasRow is the inverse of [AliasRef.Row].
func ParseAliasRow(row string) (AliasRef, bool) {
	account, rest, ok := strings.Cut(row, "/")
	region, name, ok2 := strings.Cut(rest, "/")
	return AliasRef{account, region, name}, ok && ok2
}

// Alias is the record of an alias. Its row refers to the row of its key.
type Alias struct {
	Account, Region, Name string
	TargetKeyID           string
	CreationDate          time.Time
	LastUpdatedDate       time.Time

	rev int64 // as loaded; 0 for an alias that is not stored yet
}

// Ref returns the name of a.
func (a *Alias) Ref() AliasRef { return AliasRef{a.Account, a.Region, a.Name} }

// Target returns the key that a stands for.
func (a *Alias) Target() KeyRef {
	return KeyRef{Account: a.Account, Region: a.Region, ID: a.TargetKeyID}
}
