package kmsdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/store"
)

// ErrUnrelated says that related multi-region keys do not agree with each other.
var ErrUnrelated = errors.New("related multi-region keys do not agree")

// agreeTries is how often keys that do not agree are read: a server may have
// changed one of them between two readings.
const agreeTries = 3

// ExamineRelated checks that each multi-region key and those that are related to
// it agree: that they are there, name each other, and share what they are to
// share. It returns how many multi-region keys there are. The error is
// ErrUnrelated and names the first two keys that do not; or of the store.
func (d *DB) ExamineRelated(ctx context.Context) (keys int, err error) {
	err = d.each(ctx, store.KMSKeys, func(r store.Row) error {
		k, err := decodeKey(d.mac, r)
		if err == nil && k.MultiRegion {
			keys++
			err = d.examineRelated(ctx, k.Ref())
		}
		return err
	})
	return keys, err
}

// examineRelated checks one multi-region key. One that has gone meanwhile is
// related to nothing.
func (d *DB) examineRelated(ctx context.Context, ref KeyRef) (err error) {
	for range agreeTries {
		var k Key
		if k, err = d.Key(ctx, ref); errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			err = d.agree(ctx, &k)
		}
		if !errors.Is(err, ErrUnrelated) {
			return err
		}
	}
	return err
}

func (d *DB) agree(ctx context.Context, k *Key) error {
	if k.PrimaryRegion == "" || k.PrimaryRegion != k.Region && !slices.Contains(k.ReplicaRegions, k.Region) {
		return fmt.Errorf("%w: key %s is none of those that it names", ErrUnrelated, k.Ref())
	}
	for _, region := range k.RelatedRegions() {
		r, err := d.Key(ctx, k.Elsewhere(region))
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: key %s names key %s, which is not there", ErrUnrelated, k.Ref(), k.Elsewhere(region))
		}
		if err != nil {
			return err
		}
		if what := k.Disagrees(&r); what != "" {
			return fmt.Errorf("%w: key %s has another %s than key %s", ErrUnrelated, k.Ref(), what, r.Ref())
		}
	}
	return nil
}

// Disagrees names what k and a related key are to share and do not; "" if all
// is the same.
func (k *Key) Disagrees(r *Key) string {
	sameMaterial := func(a, b Material) bool {
		return a.ID == b.ID && a.Pending == b.Pending && a.Type == b.Type && a.Rotated.Equal(b.Rotated)
	}
	switch {
	case !r.MultiRegion || r.PrimaryRegion != k.PrimaryRegion:
		return "primary key"
	case !slices.Equal(r.ReplicaRegions, k.ReplicaRegions):
		return "list of replicas"
	case r.KeySpec != k.KeySpec || r.KeyUsage != k.KeyUsage || r.Origin != k.Origin:
		return "key spec, usage or origin"
	case r.Rotation.PeriodDays != k.Rotation.PeriodDays || !r.Rotation.Next.Equal(k.Rotation.Next) || r.OnDemandRotations != k.OnDemandRotations:
		return "rotation"
	case r.Current != k.Current || !slices.EqualFunc(r.Materials, k.Materials, sameMaterial):
		return "key material"
	}
	return ""
}

// Related finds a key of an account with the id of a multi-region key, in
// whatever region. The error is [store.ErrNotFound] when there is none.
func (d *DB) Related(ctx context.Context, account, id string) (Key, error) {
	prefix := account + "/"
	for after := ""; ; {
		rows, err := d.store.List(ctx, store.KMSKeys, store.Query{Prefix: prefix, After: after, Limit: 1})
		if err != nil {
			return Key{}, err
		}
		if len(rows) == 0 {
			return Key{}, fmt.Errorf("a key %s of account %s: %w", id, account, store.ErrNotFound)
		}
		region, _, _ := strings.Cut(strings.TrimPrefix(rows[0].Key, prefix), "/")
		k, err := d.Key(ctx, KeyRef{Account: account, Region: region, ID: id})
		if !errors.Is(err, store.ErrNotFound) {
			return k, err
		}
		after = prefix + region + "0" // the first after every key of the region: '/' is before '0'
	}
}
