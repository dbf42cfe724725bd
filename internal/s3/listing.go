package s3

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

// maxKeys is the greatest page of a listing, and that of a request that names none.
const maxKeys = 1000

// scanPage is how many rows are read at once when keys are grouped: most of
// them may fall under one common prefix, and the rest is then skipped.
const scanPage = 100

// listQuery is what ListObjects and ListObjectsV2 have in common.
type listQuery struct {
	prefix, delimiter string
	after             string // only names greater than it
	limit             int
}

// listed is one page, in bytewise order of the names.
type listed struct {
	objects   []s3api.Object
	prefixes  []s3api.CommonPrefix
	last      string // the last name, a key or a common prefix
	truncated bool
}

func (l *listed) count() int { return len(l.objects) + len(l.prefixes) }

// list makes one page. It calls no KMS, and one object whose row has rotted or
// whose record does not open is logged and left out. Below a common prefix it reads at most one page
// of rows before it seeks to the end of the prefix.
func (s *Service) list(ctx context.Context, b *bucketRecord, q listQuery) (*listed, error) {
	out := &listed{}
	if q.limit == 0 || len(q.prefix) > maxKeyLength {
		return out, nil
	}
	base := b.Name + "/"
	query := store.Query{Prefix: base + q.prefix}
	done := "" // the common prefix that was listed last
	if q.after != "" {
		query.After = base + q.after
		if q.commonPrefix(q.after) == q.after {
			done = q.after
			if !skipPrefix(&query, base+done) {
				return out, nil
			}
		}
	}
	for {
		query.Limit = q.limit - out.count() + 1
		if q.delimiter != "" {
			query.Limit = min(query.Limit, scanPage)
		}
		rows, full, err := s.readable(ctx, store.Objects, query)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			key := row.Key[len(base):]
			query.After, query.From = row.Key, ""
			group := q.commonPrefix(key)
			if group != "" && group == done {
				continue
			}
			if out.count() == q.limit {
				out.truncated = true
				return out, nil
			}
			if group != "" {
				done, out.last = group, group
				out.prefixes = append(out.prefixes, s3api.CommonPrefix{Prefix: &group})
				continue
			}
			o, err := s.decodeObject(b, key, row)
			if err != nil {
				s.log.Error("listing objects", "bucket", b.Name, "key", key, "error", err)
				continue
			}
			out.last = key
			out.objects = append(out.objects, o.listing(key))
		}
		if !full {
			return out, nil
		}
		if last := rows[len(rows)-1].Key[len(base):]; done != "" && strings.HasPrefix(last, done) {
			if !skipPrefix(&query, base+done) {
				return out, nil
			}
		}
	}
}

// commonPrefix is the group a key falls into: up to and with the first
// delimiter after the prefix; "" when it falls into none.
func (q listQuery) commonPrefix(key string) string {
	if q.delimiter == "" || !strings.HasPrefix(key, q.prefix) {
		return ""
	}
	i := strings.Index(key[len(q.prefix):], q.delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(q.prefix)+i+len(q.delimiter)]
}

// skipPrefix moves the query past everything that begins with prefix. False:
// there is nothing after it.
func skipPrefix(query *store.Query, prefix string) bool {
	end, ok := store.PrefixEnd(prefix)
	query.After, query.From = "", end
	return ok
}

// listing is an object's entry in a page.
func (o *object) listing(key string) s3api.Object {
	entry := s3api.Object{
		Key: &key, LastModified: &o.attrs.Modified, ETag: quote(o.attrs.ETag), Size: &o.attrs.Size,
		StorageClass: ptr(s3api.ObjectStorageClass("STANDARD")),
	}
	if o.attrs.ChecksumAlgorithm != "" {
		entry.ChecksumAlgorithm = []s3api.ChecksumAlgorithm{s3api.ChecksumAlgorithm(o.attrs.ChecksumAlgorithm)}
		entry.ChecksumType = ptr(s3api.ChecksumType(o.attrs.ChecksumType))
	}
	return entry
}

// checkNames refuses what no key can hold, because the store could not even
// look for it.
func checkNames(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		if !storable(value) || len(value) > 2*maxKeyLength {
			return invalidArgument(name, showable(value), "Invalid %s", name)
		}
	}
	return nil
}

// storable reports whether the store takes a text: UTF-8 without NUL.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// pageSize reads max-keys.
func pageSize(asked *int32) (int, error) {
	switch {
	case asked == nil:
		return maxKeys, nil
	case *asked < 0:
		return 0, invalidArgument("maxKeys", itoa(int64(*asked)), "Argument maxKeys must be an integer between 0 and 2147483647")
	}
	return min(int(*asked), maxKeys), nil
}

// encoder escapes names for encoding-type=url: what XML 1.0 cannot carry, a
// URL can. The slash stays.
func encoder(kind *s3api.EncodingType) (func(string) string, error) {
	switch deref(kind) {
	case "":
		return func(s string) string { return s }, nil
	case s3api.EncodingTypeUrl:
		return func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }, nil
	}
	return nil, invalidArgument("encoding-type", string(*kind), "Invalid Encoding Method specified in Request")
}

// encode applies an encoder to the names of a page.
func (l *listed) encode(escape func(string) string) {
	for i := range l.objects {
		l.objects[i].Key = ptr(escape(*l.objects[i].Key))
	}
	for i := range l.prefixes {
		l.prefixes[i].Prefix = ptr(escape(*l.prefixes[i].Prefix))
	}
}

// A continuation token is the last name of a page, sealed for its bucket: it
// says nothing, and none can be made up. The bucket of ListBuckets is "".

func (s *Service) sealToken(region, bucket, last string) (*string, error) {
	k, err := s.recordKey(region)
	if err != nil {
		return nil, err
	}
	token := base64.RawURLEncoding.EncodeToString(k.Seal(nil, []byte(last), tokenAAD(bucket)))
	return &token, nil
}

func (s *Service) openToken(region, bucket string, token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	k, err := s.recordKey(region)
	if err != nil {
		return "", err
	}
	incorrect := invalidArgument("continuation-token", *token, "The continuation token provided is incorrect")
	sealed, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return "", incorrect
	}
	last, err := k.Open(sealed, tokenAAD(bucket))
	if err != nil {
		return "", incorrect
	}
	return string(last), nil
}

func tokenAAD(bucket string) []byte { return []byte("strongroom s3 continuation token 1\x00" + bucket) }
