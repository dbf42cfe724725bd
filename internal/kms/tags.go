package kms

import (
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// maxTags is how many tags a key can have (KMS Developer Guide, "Tags in AWS
// KMS"). Lengths are the model's.
const maxTags = 50

// newTags returns old, which is in the order of keys, with the tags of a request
// put in: one with a key that is there replaces it. Texts: recorded from AWS.
func newTags(old []kmsdb.Tag, tags []kmsapi.Tag) ([]kmsdb.Tag, error) {
	if len(tags) > maxTags {
		return nil, tooManyTags()
	}
	all := slices.Clone(old)
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		key := *t.TagKey
		if err := checkTagKey(key); err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, awserr.New(kmsapi.TagException, "Duplicate tag keys")
		}
		seen[key] = true
		tag := kmsdb.Tag{Key: key, Value: *t.TagValue}
		if i, found := findTag(all, key); found {
			all[i] = tag
		} else {
			all = slices.Insert(all, i, tag)
		}
	}
	if len(all) > maxTags {
		return nil, tooManyTags()
	}
	return all, nil
}

// findTag returns where the tag with the key is, or would be.
func findTag(tags []kmsdb.Tag, key string) (int, bool) {
	return slices.BinarySearchFunc(tags, key, func(t kmsdb.Tag, key string) int { return strings.Compare(t.Key, key) })
}

// checkTagKey refuses keys that are AWS's own.
func checkTagKey(key string) error {
	if len(key) >= 4 && strings.EqualFold(key[:4], "aws:") {
		return awserr.New(kmsapi.TagException, "Tags beginning with aws: are reserved")
	}
	return nil
}

func tooManyTags() error { return awserr.New(kmsapi.TagException, "Too many tags") }
