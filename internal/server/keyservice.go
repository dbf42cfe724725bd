package server

import (
	"context"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/s3"
)

// keyService is how S3 reaches KMS: in the process, with the caller's identity.
type keyService struct{ kms *kms.Service }

var _ s3.KeyService = keyService{}

func (k keyService) NewDataKey(ctx context.Context, c identity.Caller, keyID string, encryptionContext map[string]string) (s3.DataKey, error) {
	d, err := k.kms.NewDataKey(ctx, c, keyID, encryptionContext)
	return s3.DataKey(d), err
}

func (k keyService) OpenDataKey(ctx context.Context, c identity.Caller, keyARN string, blob []byte, encryptionContext map[string]string) (*hsm.DataKey, error) {
	return k.kms.OpenDataKey(ctx, c, keyARN, blob, encryptionContext)
}

func (k keyService) NewServiceDataKey(ctx context.Context, account, region string) (s3.DataKey, error) {
	d, err := k.kms.NewServiceDataKey(ctx, account, region)
	return s3.DataKey(d), err
}

func (k keyService) OpenServiceDataKey(ctx context.Context, account, region string, blob []byte) (*hsm.DataKey, error) {
	return k.kms.OpenServiceDataKey(ctx, account, region, blob)
}

func (k keyService) KeyARN(ctx context.Context, c identity.Caller, keyID string) (string, error) {
	return k.kms.KeyARN(ctx, c, keyID)
}
