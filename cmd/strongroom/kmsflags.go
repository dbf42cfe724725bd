package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/server"
)

// kmsFlags are the flags of serve about quotas of KMS.
type kmsFlags struct {
	quotas   map[string]int
	throttle bool
	rates    map[string]string
}

func (k *kmsFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringToIntVar(&k.quotas, "kms-quota", nil, "quotas of KMS, of each account and region: keys, aliases-per-key, grants-per-key, custom-key-stores, on-demand-rotations or policy-bytes (default AWS's)")
	f.BoolVar(&k.throttle, "kms-throttle", false, "answer ThrottlingException to accounts that call KMS more often than AWS lets them")
	f.StringToStringVar(&k.rates, "kms-rate", nil, "requests per second of a class, with --kms-throttle: symmetric, RSA, ECC, ML-DSA, GenerateDataKeyPair(SPEC) or another operation (default AWS's)")
}

// apply puts into cfg what was given.
func (k *kmsFlags) apply(cfg *server.Config) error {
	for _, name := range slices.Sorted(maps.Keys(k.quotas)) {
		if err := cfg.SetKMSQuota(name, k.quotas[name]); err != nil {
			return fmt.Errorf("--kms-quota: %w", err)
		}
	}
	if !k.throttle {
		if len(k.rates) > 0 {
			return errors.New("--kms-rate needs --kms-throttle")
		}
		return nil
	}
	cfg.ThrottleKMS()
	for _, class := range slices.Sorted(maps.Keys(k.rates)) {
		rate, err := strconv.ParseFloat(k.rates[class], 64)
		if err != nil {
			return fmt.Errorf("--kms-rate %s=%s: want a number of requests per second", class, k.rates[class])
		}
		if err := cfg.SetKMSRate(class, rate); err != nil {
			return fmt.Errorf("--kms-rate: %w", err)
		}
	}
	return nil
}
