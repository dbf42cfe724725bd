package sigv4_test

import (
	"encoding/hex"
	"net/http"
	"strings"
)

// signedByHand signs a request without body whose headers no SDK would write.
// List is SignedHeaders; a header it names and the request lacks signs as empty.
func signedByHand(method, target string, headers map[string]string, list, service string) *http.Request {
	r := withBody(&http.Request{Method: method, RequestURI: target, Host: "localhost:8650", Header: http.Header{}}, nil)
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	const date, stamp = "20260101", "20260101T120000Z"
	hash := hexHash(nil)
	if service == "s3" && r.Header.Get("X-Amz-Content-Sha256") != "" {
		hash = r.Header.Get("X-Amz-Content-Sha256")
	}
	path, query, _ := strings.Cut(target, "?")
	c := method + "\n" + path + "\n" + query + "\n"
	for name := range strings.SplitSeq(list, ";") {
		v := r.Header.Get(name)
		if name == "host" {
			v = r.Host
		}
		c += name + ":" + v + "\n"
	}
	c += "\n" + list + "\n" + hash
	scope := date + "/eu-west-1/" + service + "/aws4_request"
	sum := signFunc(date, "eu-west-1", service)([]byte("AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hexHash([]byte(c))))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+testKeyID+"/"+scope+
		",SignedHeaders="+list+",Signature="+hex.EncodeToString(sum[:]))
	return r
}
