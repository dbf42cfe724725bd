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

// page is what a listing found, in bytewise order of the names.
type page struct {
	prefixes  []s3api.CommonPrefix
	taken     int    // rows that the listing took
	last      string // the last name, of a row or a common prefix
	truncated bool
}

func (p *page) count() int { return p.taken + len(p.prefixes) }

// walk is how a listing goes through the rows of a bucket.
type walk struct {
	query store.Query // where it begins: Prefix and Ref, and After or From
	table store.Table
	base  string                                     // of every row key
	name  func(rowKey string) (name string, ok bool) // ok is false for a key that is none
	row   func(name string) string                   // what row keys of the name begin with, without base
	take  func(name string, row store.Row) error     // an error leaves the row out
}

// pageOf makes one page. It calls no KMS, and one row that has rotted, or whose
// record does not open, is logged and left out. Below a common prefix it reads at
// most one page of rows before it seeks to the end of the prefix.
//
// A name to begin after that is inside a common prefix leaves out all of it
// (observed for marker and key-marker).
func (s *Service) pageOf(ctx context.Context, q listQuery, w walk) (*page, error) {
	out := &page{}
	if q.limit == 0 || len(q.prefix) > maxKeyLength {
		return out, nil
	}
	query := w.query
	done := q.commonPrefix(q.after) // the common prefix that was listed last
	if done != "" && !skipPrefix(&query, w.base+w.row(done)) {
		return out, nil
	}
	for {
		query.Limit = q.limit - out.count() + 1
		if q.delimiter != "" {
			query.Limit = min(query.Limit, scanPage)
		}
		rows, full, err := s.readable(ctx, w.table, query)
		if err != nil {
			return nil, err
		}
		last := ""
		for _, row := range rows {
			query.After, query.From = row.Key, ""
			name, ok := w.name(row.Key)
			if !ok {
				s.log.Error("leaving out a row that is named wrongly", "table", w.table, "row", row.Key)
				continue
			}
			last = name
			group := q.commonPrefix(name)
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
			if err := w.take(name, row); err != nil {
				s.log.Error("leaving out a record of a listing", "table", w.table, "name", name, "error", err)
				continue
			}
			out.taken, out.last = out.taken+1, name
		}
		if !full {
			return out, nil
		}
		if done != "" && strings.HasPrefix(last, done) {
			if !skipPrefix(&query, w.base+w.row(done)) {
				return out, nil
			}
		}
	}
}

// listed is a page of objects.
type listed struct {
	page
	objects []s3api.Object
}

// list makes one page of a bucket's objects.
func (s *Service) list(ctx context.Context, b *bucketRecord, q listQuery) (*listed, error) {
	out := &listed{}
	base := b.Name + "/"
	w := walk{
		query: store.Query{Prefix: base + q.prefix},
		table: store.Objects, base: base,
		name: func(rowKey string) (string, bool) { return rowKey[len(base):], true },
		row:  func(name string) string { return name },
		take: func(name string, row store.Row) error {
			o, err := s.decodeObject(b, name, row)
			if err == nil {
				out.objects = append(out.objects, o.listing(name))
			}
			return err
		},
	}
	if q.after != "" {
		w.query.After = base + q.after
	}
	p, err := s.pageOf(ctx, q, w)
	if err != nil {
		return nil, err
	}
	out.page = *p
	return out, nil
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

// pageSize reads max-keys and max-uploads.
func pageSize(name string, asked *int32) (int, error) {
	switch {
	case asked == nil:
		return maxKeys, nil
	case *asked < 0:
		return 0, invalidArgument(name, itoa(int64(*asked)), "Argument %s must be an integer between 0 and 2147483647", name)
	}
	return min(int(*asked), maxKeys), nil
}

// encoder escapes names for encoding-type=url: what XML 1.0 cannot carry, a URL
// can. The slash and the asterisk stay, a space is a plus sign, and a tilde is
// escaped, as AWS does.
func encoder(kind *s3api.EncodingType) (func(string) string, error) {
	switch {
	case kind == nil:
		return func(s string) string { return s }, nil
	case *kind == s3api.EncodingTypeUrl:
		return func(s string) string { return escapes.Replace(url.QueryEscape(s)) }, nil
	}
	return nil, invalidArgument("encoding-type", showable(string(*kind)), "Invalid Encoding Method specified in Request")
}

// escapes is where AWS's escaping differs from Go's of a query.
var escapes = strings.NewReplacer("%2F", "/", "%2A", "*", "~", "%7E")

// encode applies an encoder to the names of a page.
func (l *listed) encode(escape func(string) string) {
	for i := range l.objects {
		l.objects[i].Key = ptr(escape(*l.objects[i].Key))
	}
	l.page.encode(escape)
}

func (p *page) encode(escape func(string) string) {
	for i := range p.prefixes {
		p.prefixes[i].Prefix = ptr(escape(*p.prefixes[i].Prefix))
	}
}

// A continuation token is the last name of a page, sealed for its bucket: it
// says nothing, and none can be made up. The bucket of ListBuckets is "". It
// begins with a 1, because base64url may begin with a hyphen, which a command line
// takes for an option (aws s3api list-objects-v2 --continuation-token -C1…).
const tokenFirst = "1"

func (s *Service) sealToken(region, bucket, last string) (*string, error) {
	k, err := s.recordKey(region)
	if err != nil {
		return nil, err
	}
	token := tokenFirst + base64.RawURLEncoding.EncodeToString(k.Seal(nil, []byte(last), tokenAAD(bucket)))
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
	text, ok := strings.CutPrefix(*token, tokenFirst)
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if !ok || err != nil {
		return "", incorrect
	}
	last, err := k.Open(sealed, tokenAAD(bucket))
	if err != nil {
		return "", incorrect
	}
	return string(last), nil
}

func tokenAAD(bucket string) []byte { return []byte("strongroom s3 continuation token 1\x00" + bucket) }
