package sts

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// GetAccessKeyInfo tells which account an access key id belongs to. Of a
// temporary one the id itself says so, whether or not the credentials are valid
// still.
func (s *Service) GetAccessKeyInfo(_ context.Context, c identity.Caller, req *stsapi.GetAccessKeyInfoRequest) (*stsapi.GetAccessKeyInfoResponse, error) {
	return do(s, c, opGetAccessKeyInfo, req, s.getAccessKeyInfo)
}

func (s *Service) getAccessKeyInfo(call *gate.Call, req *stsapi.GetAccessKeyInfoRequest) (*stsapi.GetAccessKeyInfoResponse, error) {
	call.RequestParameters = marshal(map[string]string{"accessKeyId": *req.AccessKeyId})
	if err := call.Authorize(gate.Request{}); err != nil {
		return nil, err
	}
	account, ok := s.cfg.Principals.AccessKeyAccount(*req.AccessKeyId)
	if !ok {
		account, ok = accountOf(*req.AccessKeyId)
		ok = ok && s.cfg.Principals.HasAccount(account)
	}
	if !ok {
		return nil, awserr.New(stsapi.ValidationError, "Access key %s does not exist", *req.AccessKeyId)
	}
	return &stsapi.GetAccessKeyInfoResponse{Account: &account}, nil
}
