package sts

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// An access key id of temporary credentials is "ASIA" and 80 bits in base32,
// which say the account as AWS's own do:
//
//	1 bit 1 ‖ account id as a 40-bit number ‖ 39 random bits
//
// Two sessions may come to have one id, after some million sessions of one
// account; that harms nobody, since it is the token that carries the rights.

const (
	keyIDPrefix = "ASIA"
	keyIDSize   = 20
)

// IsSessionKey reports whether an access key id has the form of temporary ones.
func IsSessionKey(id string) bool { return strings.HasPrefix(id, keyIDPrefix) }

// newKeyID makes the id of an access key of an account.
func newKeyID(account string) (string, error) {
	n, err := strconv.ParseUint(account, 10, 40)
	if err != nil {
		return "", fmt.Errorf("sts: account id %q is not 12 digits", account)
	}
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	binary.BigEndian.PutUint64(b[:8], 1<<63|n<<23|binary.BigEndian.Uint64(b[:8])&(1<<23-1))
	return keyIDPrefix + base32.StdEncoding.EncodeToString(b[:]), nil
}

// accountOf returns the account that an access key id of temporary credentials
// says.
func accountOf(id string) (account string, ok bool) {
	text, ok := strings.CutPrefix(id, keyIDPrefix)
	if !ok || len(id) != keyIDSize {
		return "", false
	}
	b, err := base32.StdEncoding.DecodeString(text)
	if err != nil || b[0]&0x80 == 0 {
		return "", false
	}
	n := binary.BigEndian.Uint64(b) << 1 >> 24
	account = fmt.Sprintf("%012d", n)
	return account, len(account) == accountSize
}
