"""Prints, as a JSON list, requests as botocore signs them: one object per
request with method, target, headers, body (base64), service and endpoint.
Nothing is sent. Arguments: access key id, secret, token ("" for none)."""

import base64
import io
import json
import sys
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

KEY_ID, SECRET, TOKEN = sys.argv[1:4]
ODD_KEYS = ["a b+c%20d/é~*!()'", "a//b/../c", "%2F%252F", "./x/.", "=&?#;:@,$"]
out = []


def record(name, method, url, headers, body, service):
    parts = urlsplit(url)
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    flat = []
    for key, value in headers.items():
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        flat.append([key, value])
    out.append({"name": name, "method": method, "host": parts.netloc, "target": target,
                "headers": flat, "body": base64.b64encode(body).decode(), "service": service})


def read(body):
    if body is None:
        return b""
    if isinstance(body, (bytes, bytearray)):
        return bytes(body)
    if isinstance(body, str):
        return body.encode()
    data = b""
    while True:  # AwsChunkedWrapper gives one chunk a read
        piece = body.read(1 << 20)
        if not piece:
            return data
        data += piece


class Raw:
    def stream(self):
        yield b"{}"


def client(service, scheme="http", **config):
    c = botocore.session.get_session().create_client(
        service, region_name="eu-west-1", endpoint_url=scheme + "://localhost:8650",
        aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, aws_session_token=TOKEN or None, verify=False,
        config=Config(signature_version="s3v4" if service == "s3" else None, retries={"max_attempts": 0},
                      s3={"addressing_style": "path", **config}))

    def before_send(request, event_name, **_):
        record(scheme + " " + event_name, request.method, request.url, request.headers, read(request.body), service)
        return AWSResponse(request.url, 200, {}, Raw())

    c.meta.events.register("before-send", before_send)
    return c


def attempt(call, **kwargs):
    """The made-up answer need not parse: the request is on record by then."""
    before = len(out)
    try:
        call(**kwargs)
    except Exception:
        if len(out) == before:
            raise


kms = client("kms")
attempt(kms.encrypt, KeyId="alias/a", Plaintext=b"x", EncryptionContext={"k": "é"})
attempt(kms.list_keys)
attempt(client("sts").get_caller_identity)

for scheme in ("http", "https"):
    for signing in (None, True, False):
        options = {} if signing is None else {"payload_signing_enabled": signing}
        s3 = client("s3", scheme, **options)
        attempt(s3.put_object, Bucket="bucket", Key="k", Body=b"hello", Metadata={"a": "b  c"})
        attempt(s3.put_object, Bucket="bucket", Key="k", Body=io.BytesIO(b"x" * 1_100_000), ChecksumAlgorithm="SHA256")
        attempt(s3.put_object, Bucket="bucket", Key="k", Body=b"")
s3 = client("s3")
for key in ODD_KEYS:
    attempt(s3.get_object, Bucket="bucket", Key=key, Range="bytes=0-9")
    attempt(s3.upload_part, Bucket="bucket", Key=key, UploadId="u/+=", PartNumber=2, Body=b"part")
    for method in ("get_object", "put_object"):
        url = s3.generate_presigned_url(method, {"Bucket": "bucket", "Key": key}, ExpiresIn=600)
        record("presigned " + method + " " + key, "GET" if method == "get_object" else "PUT", url, {}, b"", "s3")
attempt(s3.list_objects_v2, Bucket="bucket", Prefix="a b+c/é~", Delimiter="/", MaxKeys=7)
attempt(s3.create_multipart_upload, Bucket="bucket", Key="k", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/a")
record("presigned get_caller_identity", "GET",
       client("sts").generate_presigned_url("get_caller_identity", {}, ExpiresIn=60, HttpMethod="GET"), {}, b"", "sts")

json.dump(out, sys.stdout)
