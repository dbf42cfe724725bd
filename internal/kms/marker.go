package kms

import (
	"encoding/base64"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// A marker says where the next page of a list begins: a 1 and base64url of
//
//	MAC (32 bytes) | last name of the page before
//
// The 1 is there because base64url may begin with a hyphen, which a command line
// takes for an option (aws kms list-keys --marker -Ab…).
//
// The MAC binds the name to the operation, the account, the region and the
// list's filter, so a marker is good for the list that gave it and no other.

const (
	markerMAC   = 32
	markerLabel = "list marker 1"
	markerFirst = "1"
)

func (s *Service) marker(call *gate.Call, filter, last string) string {
	mac := s.rowMAC.MAC(markerParts(call, filter, last)...)
	return markerFirst + base64.RawURLEncoding.EncodeToString(append(mac, last...))
}

// openMarker returns the name in a marker, "" for none at all.
func (s *Service) openMarker(call *gate.Call, filter string, marker *string) (last string, err error) {
	if marker == nil {
		return "", nil
	}
	text, ok := strings.CutPrefix(*marker, markerFirst)
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(b) <= markerMAC || !s.rowMAC.Verify(b[:markerMAC], markerParts(call, filter, string(b[markerMAC:]))...) {
		return "", awserr.New(kmsapi.InvalidMarkerException, "The marker is not valid.")
	}
	return string(b[markerMAC:]), nil
}

func markerParts(call *gate.Call, filter, last string) [][]byte {
	return [][]byte{
		[]byte(markerLabel), []byte(call.Op.Name), []byte(call.Caller.AccountID), []byte(call.Caller.Region),
		[]byte(filter), []byte(last),
	}
}
