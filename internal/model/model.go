// Package model holds the trimmed models of the served AWS APIs and the one
// validator that enforces their constraints.
//
// The models are those published with botocore 1.43.11, reduced to the served
// operations and to what has an effect: names, types, required members, lengths,
// ranges, patterns, enumerations, locations. The wire shapes of kmsapi, s3api and
// stsapi are generated from them, so that shape and constraint cannot disagree.
//
// To serve a further operation, name it in gen/services.go, then, with the full
// models at hand:
//
//	go run ./internal/model/gen trim -from DIR
//	go generate ./internal/model
package model

//go:generate go run ./gen shapes -root ..

import (
	_ "embed"
	"maps"
	"slices"
	"sync"
)

//go:embed kms.json
var kmsJSON []byte

//go:embed s3.json
var s3JSON []byte

//go:embed sts.json
var stsJSON []byte

// Service is the model of one AWS API. It is immutable and safe for concurrent use.
type Service struct {
	Metadata   Metadata
	operations map[string]*Operation
	shapes     map[string]*Shape
	plans      map[string]*planCache // by operation
}

// KMS returns the model of AWS KMS, 2014-11-01.
func KMS() *Service { return kms() }

// S3 returns the model of Amazon S3, 2006-03-01.
func S3() *Service { return s3() }

// STS returns the model of AWS STS, 2011-06-15.
func STS() *Service { return sts() }

var (
	kms = sync.OnceValue(func() *Service { return load(kmsJSON) })
	s3  = sync.OnceValue(func() *Service { return load(s3JSON) })
	sts = sync.OnceValue(func() *Service { return load(stsJSON) })
)

// load parses an embedded model. One that does not parse is a broken build.
func load(data []byte) *Service {
	f, err := ParseFile(data)
	if err != nil {
		panic("model: " + err.Error())
	}
	return newService(f)
}

func newService(f *File) *Service {
	s := &Service{Metadata: f.Metadata, operations: f.Operations, shapes: f.Shapes, plans: map[string]*planCache{}}
	for name := range f.Operations {
		s.plans[name] = new(planCache)
	}
	return s
}

// Operation returns the operation of that name, or nil when the service does
// not have it. The caller must not change it.
func (s *Service) Operation(name string) *Operation { return s.operations[name] }

// Operations returns the names of all operations, sorted.
func (s *Service) Operations() []string { return slices.Sorted(maps.Keys(s.operations)) }

// Shape returns the shape of that name, or nil. The caller must not change it.
func (s *Service) Shape(name string) *Shape { return s.shapes[name] }
