package hsm

import (
	"crypto/fips140"
	"fmt"
)

// FIPS says which cryptographic module is compiled in and whether its FIPS
// 140-3 mode is on, such as "Go Cryptographic Module v1.0.0, FIPS 140-3 mode
// on". Strongroom itself is not validated.
func FIPS() string {
	mode := "off"
	if fips140.Enabled() {
		mode = "on"
	}
	return fmt.Sprintf("Go Cryptographic Module %s, FIPS 140-3 mode %s", fips140.Version(), mode)
}
