package kms

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// A grant token names a grant. It is base64url, without padding, of
//
//	magic "SRG1" | random (16 bytes) | grant id (32 bytes) |
//	account | region | key id, each with its length before it in one byte |
//	MAC (32 bytes) over the label and all before
//
// Nothing of it is secret and nothing is stored: a grant has as many good tokens
// as there were answers to CreateGrant, and whoever has one has no rights by it.
// docs/formats/grant-token.md draws the same.
const (
	tokenMagic  = "SRG1"
	tokenRandom = 16
	tokenFixed  = len(tokenMagic) + tokenRandom + grantIDSize
	tokenMAC    = 32
	tokenLabel  = "grant token 1"
)

// grantIDSize is the size of a grant's id in bytes; it is shown in hexadecimal.
const grantIDSize = 32

// grantToken is what a token says.
type grantToken struct {
	random [tokenRandom]byte
	id     [grantIDSize]byte
	key    kmsdb.KeyRef
}

// newGrantToken makes a token of a grant: another one each time.
func (s *Service) newGrantToken(g *kmsdb.Grant) (string, error) {
	t := grantToken{key: g.Key()}
	rand.Read(t.random[:]) // never fails
	if _, err := hex.Decode(t.id[:], []byte(g.ID)); err != nil {
		return "", err
	}
	b := t.append(nil)
	return base64.RawURLEncoding.EncodeToString(append(b, s.rowMAC.MAC([]byte(tokenLabel), b)...)), nil
}

func (t *grantToken) append(b []byte) []byte {
	b = append(append(append(b, tokenMagic...), t.random[:]...), t.id[:]...)
	for _, name := range [...]string{t.key.Account, t.key.Region, t.key.ID} {
		b = append(append(b, byte(len(name))), name...)
	}
	return b
}

// parseGrantToken is the inverse of append.
func parseGrantToken(b []byte) (t grantToken, ok bool) {
	if len(b) < tokenFixed || string(b[:len(tokenMagic)]) != tokenMagic {
		return t, false
	}
	b = b[len(tokenMagic):]
	copy(t.random[:], b)
	copy(t.id[:], b[tokenRandom:])
	b = b[tokenRandom+grantIDSize:]
	for _, name := range [...]*string{&t.key.Account, &t.key.Region, &t.key.ID} {
		if len(b) == 0 || len(b) <= int(b[0]) {
			return t, false
		}
		*name, b = string(b[1:1+b[0]]), b[1+b[0]:]
	}
	return t, len(b) == 0
}

// openGrantToken returns the grant that a token names, which may be gone.
func (s *Service) openGrantToken(token string) (key kmsdb.KeyRef, id string, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) <= tokenMAC {
		return kmsdb.KeyRef{}, "", invalidGrantToken()
	}
	b, mac := b[:len(b)-tokenMAC], b[len(b)-tokenMAC:]
	if !s.rowMAC.Verify(mac, []byte(tokenLabel), b) {
		return kmsdb.KeyRef{}, "", invalidGrantToken()
	}
	t, ok := parseGrantToken(b)
	if !ok {
		return kmsdb.KeyRef{}, "", invalidGrantToken()
	}
	return t.key, hex.EncodeToString(t.id[:]), nil
}

// checkGrantTokens refuses tokens that are none of ours. A good one changes
// nothing: a grant is effective when CreateGrant has answered, with its token or
// without. So one of a grant on another key, which ReEncrypt cannot do without
// (one list serves both its keys), or of a grant that is gone, is passed over.
func (s *Service) checkGrantTokens(tokens []string) error {
	for _, t := range tokens {
		if _, _, err := s.openGrantToken(t); err != nil {
			return err
		}
	}
	return nil
}

func invalidGrantToken() error {
	return awserr.New(kmsapi.InvalidGrantTokenException, "The grant token is not valid.")
}
