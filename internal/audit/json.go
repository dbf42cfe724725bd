package audit

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/jsonstring"
)

// AppendJSON appends the record's JSON text to dst and returns the extended
// slice. The members are in the order CloudTrail prints them. Strings over
// their limit are cut at a character and raw values over theirs are replaced
// by {"omitted":true,…}, so the text is always shorter than MaxRecord.
func (r *Record) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"eventVersion":"`+EventVersion+`","userIdentity":`...)
	dst = r.UserIdentity.appendJSON(dst)
	dst = append(dst, `,"eventTime":"`...)
	dst = r.EventTime.UTC().AppendFormat(dst, time.RFC3339)
	dst = append(dst, '"')
	dst = member(dst, `,"eventSource":`, r.EventSource)
	dst = member(dst, `,"eventName":`, r.EventName)
	dst = member(dst, `,"awsRegion":`, r.AWSRegion)
	dst = member(dst, `,"sourceIPAddress":`, r.SourceIPAddress)
	dst = member(dst, `,"userAgent":`, r.UserAgent)
	dst = optional(dst, `,"errorCode":`, r.ErrorCode)
	dst = optional(dst, `,"errorMessage":`, r.ErrorMessage)
	dst = raw(dst, "requestParameters", r.RequestParameters, maxParameters, true)
	dst = raw(dst, "responseElements", r.ResponseElements, maxParameters, true)
	dst = raw(dst, "additionalEventData", r.AdditionalEventData, maxAdditional, false)
	dst = optional(dst, `,"requestID":`, r.RequestID)
	dst = member(dst, `,"eventID":`, r.EventID)
	dst = append(dst, `,"readOnly":`...)
	dst = strconv.AppendBool(dst, r.ReadOnly)
	dst = appendResources(dst, r.Resources)
	dst = member(dst, `,"eventType":`, cmp.Or(r.EventType, APICall))
	dst = optional(dst, `,"apiVersion":`, r.APIVersion)
	category := cmp.Or(r.EventCategory, Management)
	dst = append(dst, `,"managementEvent":`...)
	dst = strconv.AppendBool(dst, category == Management)
	dst = member(dst, `,"recipientAccountId":`, r.RecipientAccountID)
	dst = raw(dst, "serviceEventDetails", r.ServiceEventDetails, maxParameters, false)
	dst = optional(dst, `,"sharedEventID":`, r.SharedEventID)
	dst = optional(dst, `,"vpcEndpointId":`, r.VPCEndpointID)
	dst = member(dst, `,"eventCategory":`, category)
	if a := r.Addendum; a != nil {
		dst = member(dst, `,"addendum":{"reason":`, a.Reason)
		dst = optional(dst, `,"updatedFields":`, a.UpdatedFields)
		dst = optional(dst, `,"originalRequestID":`, a.OriginalRequestID)
		dst = optional(dst, `,"originalEventID":`, a.OriginalEventID)
		dst = append(dst, '}')
	}
	if t := r.TLSDetails; t != nil {
		dst = member(dst, `,"tlsDetails":{"tlsVersion":`, t.TLSVersion)
		dst = member(dst, `,"cipherSuite":`, t.CipherSuite)
		dst = member(dst, `,"clientProvidedHostHeader":`, t.ClientProvidedHostHeader)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendJSON prints the members that are set, in the order of CloudTrail.
func (u *UserIdentity) appendJSON(dst []byte) []byte {
	start := len(dst) + 1
	dst = optional(dst, `,"type":`, u.Type)
	dst = optional(dst, `,"principalId":`, u.PrincipalID)
	dst = optional(dst, `,"arn":`, u.ARN)
	dst = optional(dst, `,"accountId":`, u.AccountID)
	dst = optional(dst, `,"accessKeyId":`, u.AccessKeyID)
	dst = optional(dst, `,"userName":`, u.UserName)
	dst = u.Session.appendJSON(dst)
	dst = optional(dst, `,"invokedBy":`, u.InvokedBy)
	if len(dst) < start {
		return append(dst, "{}"...)
	}
	dst[start-1] = '{' // it was the comma of the first member
	return append(dst, '}')
}

// appendJSON prints a session context, unless it is nil, as a further member.
func (s *SessionContext) appendJSON(dst []byte) []byte {
	if s == nil {
		return dst
	}
	dst = append(dst, `,"sessionContext":{`...)
	if i := s.Issuer; i != nil {
		dst = member(dst, `"sessionIssuer":{"type":`, i.Type)
		dst = member(dst, `,"principalId":`, i.PrincipalID)
		dst = member(dst, `,"arn":`, i.ARN)
		dst = member(dst, `,"accountId":`, i.AccountID)
		dst = member(dst, `,"userName":`, i.UserName)
		dst = append(dst, "},"...)
	}
	dst = append(dst, `"attributes":{"creationDate":"`...)
	dst = s.CreationDate.UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	dst = append(dst, `","mfaAuthenticated":"`...)
	dst = strconv.AppendBool(dst, s.MFAAuthenticated)
	dst = append(dst, `"}`...)
	dst = optional(dst, `,"sourceIdentity":`, s.SourceIdentity)
	return append(dst, '}')
}

func appendResources(dst []byte, rs []Resource) []byte {
	if len(rs) == 0 {
		return dst
	}
	dst = append(dst, `,"resources":[`...)
	for i, r := range rs[:min(len(rs), maxResources)] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if r.AccountID != "" {
			dst = member(dst, `"accountId":`, r.AccountID)
			dst = append(dst, ',')
		}
		dst = member(dst, `"type":`, r.Type)
		// An ARN may hold an object key, which alone may have 1024 bytes.
		dst = append(dst, `,"ARN":`...)
		dst = appendString(dst, r.ARN, 2*maxText)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// member appends a name, given with its punctuation, and a string.
func member(dst []byte, name, value string) []byte {
	return appendString(append(dst, name...), value, maxText)
}

// optional is member for a value that is left out when empty.
func optional(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return member(dst, name, value)
}

// raw appends a JSON value, or what CloudTrail puts in the place of one that
// is longer than limit bytes.
func raw(dst []byte, name string, value json.RawMessage, limit int, always bool) []byte {
	if value == nil && !always {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	switch {
	case value == nil:
		return append(dst, "null"...)
	case len(value) > limit:
		dst = append(dst, `{"omitted":true,"originalSize":`...)
		dst = strconv.AppendInt(dst, int64(len(value)), 10)
		dst = append(dst, `,"reason":"`...)
		dst = append(dst, name...)
		return append(dst, ` too large"}`...)
	}
	return append(dst, value...)
}

// appendString appends s as a JSON string of at most limit bytes before
// escaping.
func appendString(dst []byte, s string, limit int) []byte {
	if len(s) > limit {
		s = s[:limit]
		for i := 1; i < utf8.UTFMax && i < limit; i++ { // do not split a character
			if c := s[len(s)-i]; utf8.RuneStart(c) {
				if !utf8.FullRuneInString(s[len(s)-i:]) {
					s = s[:len(s)-i]
				}
				break
			}
		}
	}
	return jsonstring.Append(dst, s)
}
