package sts

import (
	"encoding/json"
	"time"

	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// issue makes the credentials that claims describe, for duration from now. The
// caller hands out the secret in them, which is kept nowhere.
func (s *Service) issue(c *claims, duration time.Duration) (*stsapi.Credentials, error) {
	c.issued = s.now()
	c.expires = c.issued.Add(duration)
	id, err := newKeyID(c.account)
	if err != nil {
		return nil, err
	}
	token, secretKey := s.cfg.Key.Issue(id, c.append(nil))
	return &stsapi.Credentials{
		AccessKeyId: &id, SecretAccessKey: secretKey, SessionToken: new(encoding.EncodeToString(token)), Expiration: &c.expires,
	}, nil
}

// recordTime is how CloudTrail prints times inside the elements of a record.
const recordTime = "Jan 2, 2006, 3:04:05 PM"

// recordedCredentials is what the trail has of credentials: neither the secret
// nor the token, which AWS records.
type recordedCredentials struct {
	AccessKeyID string `json:"accessKeyId"`
	Expiration  string `json:"expiration"`
}

func recorded(c *stsapi.Credentials) recordedCredentials {
	return recordedCredentials{*c.AccessKeyId, c.Expiration.Format(recordTime)}
}

// marshal prints an element of a record, which is made of texts and numbers.
func marshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("sts: " + err.Error())
	}
	return b
}
