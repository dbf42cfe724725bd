"""boto3 against a running server: boto3_client.py ENDPOINT, credentials in the environment.

Every function named check_... is run in order with a bucket of its own; the
first one that fails ends the program with a traceback and status 1.
"""

import base64
import hashlib
import io
import os
import re
import socket
import ssl
import sys
import threading
import urllib.error
import urllib.request
import zlib

import boto3
import botocore
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1]
REGION = os.environ["AWS_REGION"]
MIB = 1 << 20
# Checksums are sent by default, and CRC64NVME is known, since 1.36.
NEW = tuple(int(n) for n in botocore.__version__.split(".")[:2]) >= (1, 36)


def client(service, **config):
    config.setdefault("retries", {"max_attempts": 0})
    return boto3.client(service, endpoint_url=ENDPOINT, region_name=REGION, config=Config(**config))


kms = client("kms")
s3 = client("s3", s3={"addressing_style": "path"})


def refused(code, call, **arguments):
    """The call must be refused with one of the codes, separated by |."""
    try:
        call(**arguments)
    except ClientError as e:
        got = e.response["Error"]["Code"]
        assert got in code.split("|"), f"{call.__name__}: got {got} ({e}), want {code}"
        return e.response
    raise AssertionError(f"{call.__name__}{arguments}: got success, want {code}")


def fetch(url, method="GET", body=None, headers=None):
    """An HTTP request without SDK: status and body."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def body(bucket, key, **arguments):
    return s3.get_object(Bucket=bucket, Key=key, **arguments)["Body"].read()


def check_kms_operations(bucket):
    made = kms.create_key(Description="made by boto3")["KeyMetadata"]
    key, arn = made["KeyId"], made["Arn"]
    assert made["KeyState"] == "Enabled" and made["KeySpec"] == "SYMMETRIC_DEFAULT", made
    kms.create_alias(AliasName="alias/boto3", TargetKeyId=key)
    described = kms.describe_key(KeyId="alias/boto3")["KeyMetadata"]
    assert described == made, (described, made)
    assert key in [k["KeyId"] for page in kms.get_paginator("list_keys").paginate(Limit=1) for k in page["Keys"]]
    names = [a["AliasName"] for page in kms.get_paginator("list_aliases").paginate(Limit=1) for a in page["Aliases"]]
    assert "alias/boto3" in names, names

    context = {"purpose": "test", "ünïcødé": "€"}
    plain = os.urandom(4096)
    sealed = kms.encrypt(KeyId="alias/boto3", Plaintext=plain, EncryptionContext=context)
    assert sealed["KeyId"] == arn and sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT", sealed
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == plain and opened["KeyId"] == arn
    refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"])
    refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"][:-1], EncryptionContext=context)
    refused("ValidationException", kms.encrypt, KeyId=key, Plaintext=plain + b"x")

    for arguments, size in (({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1}, 1), ({"NumberOfBytes": 1024}, 1024)):
        pair = kms.generate_data_key(KeyId=arn, EncryptionContext=context, **arguments)
        assert len(pair["Plaintext"]) == size, arguments
        assert kms.decrypt(CiphertextBlob=pair["CiphertextBlob"], EncryptionContext=context)["Plaintext"] == pair["Plaintext"]
        alone = kms.generate_data_key_without_plaintext(KeyId=arn, EncryptionContext=context, **arguments)
        assert "Plaintext" not in alone
        assert len(kms.decrypt(CiphertextBlob=alone["CiphertextBlob"], EncryptionContext=context)["Plaintext"]) == size

    kms.disable_key(KeyId=key)
    refused("DisabledException", kms.encrypt, KeyId=key, Plaintext=b"x")
    refused("DisabledException", kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    refused("DisabledException", kms.generate_data_key, KeyId=key, KeySpec="AES_256")
    refused("DisabledException", kms.generate_data_key_without_plaintext, KeyId=key, KeySpec="AES_256")
    kms.enable_key(KeyId=arn)
    assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)["Plaintext"] == plain
    refused("NotFoundException", kms.describe_key, KeyId="alias/nobody")
    refused("AlreadyExistsException", kms.create_alias, AliasName="alias/boto3", TargetKeyId=key)


def check_kms_asymmetric_keys(bucket):
    """Keys of other specs: what one made, the other operation takes, and nothing else."""

    def made(spec, usage):
        return kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]

    for spec, algorithm in (("ECC_NIST_P256", "ECDSA_SHA_256"), ("RSA_2048", "RSASSA_PSS_SHA_256"), ("ML_DSA_44", "ML_DSA_SHAKE_256")):
        named = {"KeyId": made(spec, "SIGN_VERIFY"), "SigningAlgorithm": algorithm}
        signature = kms.sign(Message=b"message", **named)["Signature"]
        assert kms.verify(Message=b"message", Signature=signature, **named)["SignatureValid"]
        refused("KMSInvalidSignatureException", kms.verify, Message=b"other", Signature=signature, **named)
        assert kms.get_public_key(KeyId=named["KeyId"])["KeySpec"] == spec

    mac = {"KeyId": made("HMAC_256", "GENERATE_VERIFY_MAC"), "MacAlgorithm": "HMAC_SHA_256"}
    tag = kms.generate_mac(Message=b"message", **mac)["Mac"]
    assert len(tag) == 32 and kms.verify_mac(Message=b"message", Mac=tag, **mac)["MacValid"]
    refused("KMSInvalidMacException", kms.verify_mac, Message=b"other", Mac=tag, **mac)

    ours, theirs = (made("ECC_NIST_P384", "KEY_AGREEMENT") for _ in range(2))

    def shared(key, peer):
        public = kms.get_public_key(KeyId=peer)["PublicKey"]
        return kms.derive_shared_secret(KeyId=key, KeyAgreementAlgorithm="ECDH", PublicKey=public)["SharedSecret"]

    assert shared(ours, theirs) == shared(theirs, ours)

    rsa = {"KeyId": made("RSA_2048", "ENCRYPT_DECRYPT"), "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    assert kms.decrypt(CiphertextBlob=kms.encrypt(Plaintext=b"plain", **rsa)["CiphertextBlob"], **rsa)["Plaintext"] == b"plain"


def check_kms_rotation_and_pairs(bucket):
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    before = kms.encrypt(KeyId=key, Plaintext=b"plain")["CiphertextBlob"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    status = kms.get_key_rotation_status(KeyId=key)
    assert status["KeyRotationEnabled"] and status["RotationPeriodInDays"] == 180, status
    kms.rotate_key_on_demand(KeyId=key)
    rotations = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert len(rotations) == 2 and {r["KeyMaterialState"] for r in rotations} == {"CURRENT", "NON_CURRENT"}, rotations
    assert kms.decrypt(CiphertextBlob=before)["Plaintext"] == b"plain"
    pair = kms.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    assert kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"] == pair["PrivateKeyPlaintext"]
    assert kms.get_key_last_usage(KeyId=key)["KeyLastUsage"]["Operation"] == "Decrypt"


def check_transfer_manager(bucket):
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=8)
    for size in (0, 1, 65535, 65536, 65537, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 17 * MIB + 12345):
        content = os.urandom(size)
        for extra in ({}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/boto3"}):
            key = f"transfer/{size}/{len(extra)}"
            s3.upload_fileobj(io.BytesIO(content), bucket, key, ExtraArgs=extra, Config=config)
            got = io.BytesIO()
            s3.download_fileobj(bucket, key, got, Config=config)
            assert got.getvalue() == content, key
            head = s3.head_object(Bucket=bucket, Key=key)
            assert head["ContentLength"] == size, head
            assert head["ServerSideEncryption"] == extra.get("ServerSideEncryption", "AES256"), head


def check_copies(bucket):
    """Copies by one call and by parts, of keys that need escaping; then all of them go at once."""
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    keys = []
    for size in (0, 1, 65537, 12 * MIB + 345):
        content = os.urandom(size)
        source = f"copy/é +%20/{size}"
        s3.put_object(Bucket=bucket, Key=source, Body=content, Metadata={"size": str(size)})
        for extra in ({}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/boto3"}):
            key = f"copied/{size}/{len(extra)}"
            s3.copy({"Bucket": bucket, "Key": source}, bucket, key, ExtraArgs=extra, Config=config)
            assert body(bucket, key) == content, key
            one = s3.copy_object(Bucket=bucket, Key=key + "/one", CopySource={"Bucket": bucket, "Key": key}, MetadataDirective="REPLACE", Metadata={"a": "b"})
            assert one["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(content).hexdigest()}"', one
            head = s3.head_object(Bucket=bucket, Key=key + "/one")
            assert head["Metadata"] == {"a": "b"} and head["ContentLength"] == size, head
            keys += [key, key + "/one"]
        keys.append(source)
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys + ["none"]]})
    assert [d["Key"] for d in answer["Deleted"]] == keys + ["none"] and "Errors" not in answer, answer
    assert s3.list_objects_v2(Bucket=bucket, Prefix="cop")["KeyCount"] == 0
    refused("MalformedXML", s3.delete_objects, Bucket=bucket, Delete={"Objects": [{"Key": "k"}] * 1001})


def check_parallel_writes(bucket):
    """One name, many writers: a reader sees one of them, whole."""
    contents = {bytes([65 + i]) * (100_000 + i) for i in range(8)}
    failures = []

    def write(content):
        try:
            s3.put_object(Bucket=bucket, Key="contested", Body=content)
            assert body(bucket, "contested") in contents
        except Exception as e:  # told by the main thread
            failures.append(e)

    threads = [threading.Thread(target=write, args=(c,)) for c in contents]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures
    assert body(bucket, "contested") in contents


def b64(number, size):
    return base64.b64encode(number.to_bytes(size, "big")).decode()


def crc(content, size, polynomial):
    """A reflected CRC of 8·size bits, with all bits set before and inverted after."""
    mask = (1 << 8 * size) - 1
    register = mask
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (polynomial if register & 1 else 0)
    return register ^ mask


def check_checksums(bucket):
    """Each algorithm by its header: the right value is kept and returned, a wrong one refused."""
    content = b"The quick brown fox jumps over the lazy dog"
    values = {
        "CRC32": b64(zlib.crc32(content), 4),
        "CRC32C": b64(crc(content, 4, 0x82F63B78), 4),
        "SHA1": base64.b64encode(hashlib.sha1(content).digest()).decode(),
        "SHA256": base64.b64encode(hashlib.sha256(content).digest()).decode(),
    }
    known = s3.meta.service_model.shape_for("PutObjectRequest").members
    if "ChecksumXXHASH3" in known:  # since 1.42.54
        values["MD5"] = base64.b64encode(hashlib.md5(content).digest()).decode()
        values["SHA512"] = base64.b64encode(hashlib.sha512(content).digest()).decode()
        # As xxhsum prints them.
        values["XXHASH64"] = b64(0x0B242D361FDA71BC, 8)
        values["XXHASH3"] = b64(0xCE7D19A5418FB365, 8)
        values["XXHASH128"] = b64(0xDDD650205CA3E7FA24A1CC2E3A8A7651, 16)
    if NEW:
        values["CRC64NVME"] = b64(crc(content, 8, 0x9A6C9329AC4BC9B5), 8)
    for name, value in values.items():
        field = "Checksum" + name
        made = s3.put_object(Bucket=bucket, Key=name, Body=content, **{field: value})
        assert made[field] == value, made
        got = s3.get_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")
        assert got[field] == value and got["Body"].read() == content, got
        assert s3.head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED")[field] == value
        wrong = base64.b64encode(bytes(len(base64.b64decode(value)))).decode()
        refused("BadDigest", s3.put_object, Bucket=bucket, Key="wrong", Body=content, **{field: wrong})
    refused("BadDigest", s3.put_object, Bucket=bucket, Key="wrong", Body=content, ContentMD5=b64(0, 16))
    md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
    assert s3.put_object(Bucket=bucket, Key="md5", Body=content, ContentMD5=md5)["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="wrong")


def check_virtual_hosted(bucket):
    """Buckets as hosts, under the domains that the server has by itself."""
    resolve = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **more: resolve("127.0.0.1" if host.endswith(("localhost", "amazonaws.com")) else host, *rest, **more)
    try:
        port = ENDPOINT.rsplit(":", 1)[1]
        scheme = ENDPOINT.split(":")[0]
        # OpenSSL takes no certificate for *.localhost: it wants two labels behind a wildcard.
        domains = ["s3.localhost", f"s3.{REGION}.amazonaws.com"] + ["localhost"] * (scheme == "http")
        for domain in domains:
            virtual = boto3.client("s3", endpoint_url=f"{scheme}://{domain}:{port}", region_name=REGION,
                                   config=Config(s3={"addressing_style": "virtual"}, signature_version="s3v4", retries={"max_attempts": 0}))
            hosts = []
            virtual.meta.events.register("before-send.s3", lambda request, **_: hosts.append(request.url.split("/")[2]))
            for key in ("key", "/leading", "a//b", "é +"):
                content = f"{domain} {key}".encode()
                virtual.put_object(Bucket=bucket, Key=key, Body=content, Metadata={"a": "b"})
                assert virtual.get_object(Bucket=bucket, Key=key)["Body"].read() == content == body(bucket, key), key
                status, answer = fetch(virtual.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}))
                assert status == 200 and answer == content, (key, status, answer)
            assert len(virtual.list_objects_v2(Bucket=bucket)["Contents"]) == 4
            assert virtual.head_bucket(Bucket=bucket)
            virtual.upload_fileobj(io.BytesIO(os.urandom(6 * MIB)), bucket, "parts", Config=TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB))
            virtual.delete_object(Bucket=bucket, Key="parts")
            refused("NoSuchKey", virtual.get_object, Bucket=bucket, Key="none")
            assert set(hosts) == {f"{bucket}.{domain}:{port}"}, set(hosts)
            virtual.create_bucket(Bucket=bucket + "-made")
            virtual.delete_bucket(Bucket=bucket + "-made")
    finally:
        socket.getaddrinfo = resolve


def check_streamed_body(bucket):
    """A stream of which the SDK does not know the hash: chunks with a trailer over TLS, else signed payload."""
    for algorithm in ("CRC32", "SHA256"):
        content = os.urandom(3 * MIB + 17)
        s3.put_object(Bucket=bucket, Key="stream", Body=io.BytesIO(content), ChecksumAlgorithm=algorithm)
        assert body(bucket, "stream") == content


def check_presigned(bucket):
    content = os.urandom(100_001)
    put = s3v4.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "presigned key/é+", "ContentType": "text/x-mine"}, ExpiresIn=300)
    status, answer = fetch(put, "PUT", content, {"Content-Type": "text/x-mine"})
    assert status == 200, (status, answer)
    status, answer = fetch(put, "PUT", content, {"Content-Type": "text/other"})
    assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in answer, (status, answer)
    get = s3v4.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "presigned key/é+"}, ExpiresIn=300)
    status, answer = fetch(get)
    assert status == 200 and answer == content, status
    status, answer = fetch(get, headers={"Range": "bytes=5-9"})
    assert status == 206 and answer == content[5:10], status
    status, answer = fetch(get, "DELETE")
    assert status == 403 and b"<Code>SignatureDoesNotMatch</Code>" in answer, (status, answer)
    status, answer = fetch(get.replace("X-Amz-Expires=300", "X-Amz-Expires=604801"))
    assert status in (400, 403) and b"<Code>AuthorizationQueryParametersError</Code>" in answer, (status, answer)
    status, answer = fetch(re.sub(r"X-Amz-Date=\d{8}T", lambda m: "X-Amz-Date=20200101T", get))
    assert status in (400, 403), (status, answer)
    status, answer = fetch(f"{ENDPOINT}/{bucket}/presigned%20key")
    assert status == 403 and b"<Code>AccessDenied</Code>" in answer, (status, answer)


def check_signature_v2_is_refused(bucket):
    v2 = client("s3", signature_version="s3", s3={"addressing_style": "path"})
    url = v2.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x"}, ExpiresIn=300)
    assert "AWSAccessKeyId=" in url and "X-Amz" not in url, url
    status, answer = fetch(url)
    assert status == 400 and b"<Code>InvalidRequest</Code>" in answer and b"AWS4-HMAC-SHA256" in answer, (status, answer)
    answer = refused("InvalidRequest", v2.list_objects_v2, Bucket=bucket)
    assert "AWS4-HMAC-SHA256" in answer["Error"]["Message"], answer


ODD_KEYS = [
    "a b+c%20d/é~*!()'",
    "a//b/../c",
    "trailing/",
    "/leading",
    "//",
    ".",
    "a/..",
    "a/./b",
    "?query=1&x",
    "#fragment",
    "semi;colon:at@comma,equals=",
    "back\\slash|pipe\"quote<tag>&amp;",
    "tab\there",
    "日本語/😀",
    "e\u0301 and \u00e9",
    "%",
    "%zz%2F",
    "x" * 1024,
]


def check_odd_keys(bucket):
    for i, key in enumerate(ODD_KEYS):
        content = f"{i} {key}".encode()
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=content)
        except ClientError as e:
            raise AssertionError(f"key {key!r}: {e}") from None
        assert body(bucket, key) == content, key
        assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(content), key
        if key not in (".", "a/..", "a//b/../c", "a/./b"):  # urllib and proxies may tidy these
            status, answer = fetch(s3v4.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}))
            assert status == 200 and answer == content, (key, status, answer)
    listed = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 5}) for o in page["Contents"]]
    assert listed == sorted(ODD_KEYS, key=lambda k: k.encode()), listed
    old = [o["Key"] for page in s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 5}) for o in page["Contents"]]
    assert old == listed, old
    grouped = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="a/")
    assert [p["Prefix"] for p in grouped["CommonPrefixes"]] == ["a/./", "a//"] and [o["Key"] for o in grouped["Contents"]] == ["a/.."], grouped
    for key in ODD_KEYS:
        s3.delete_object(Bucket=bucket, Key=key)
        refused("404", s3.head_object, Bucket=bucket, Key=key)
    for key in ("..", "../a", "a/../../b"):  # they would leave the bucket
        refused("InvalidURI", s3.put_object, Bucket=bucket, Key=key, Body=b"")
    refused("KeyTooLongError", s3.put_object, Bucket=bucket, Key="x" * 1025, Body=b"")


def check_metadata(bucket):
    metadata = {"colour": "blue", "with-dash": "a  b"}
    s3.put_object(Bucket=bucket, Key="m", Body=b"x", Metadata=metadata, ContentType="text/x-mine", CacheControl="no-store",
                  ContentDisposition='attachment; filename="x"', ContentLanguage="de")
    got = s3.head_object(Bucket=bucket, Key="m")
    assert got["Metadata"] == metadata, got["Metadata"]
    assert (got["ContentType"], got["CacheControl"], got["ContentLanguage"]) == ("text/x-mine", "no-store", "de"), got
    changed = s3.get_object(Bucket=bucket, Key="m", ResponseContentType="text/y")
    assert changed["ContentType"] == "text/y", changed


def check_not_served(bucket):
    """What is not served is refused by name, not accepted and ignored."""
    refused("NotImplemented", s3.put_object, Bucket=bucket, Key="acl", Body=b"", ACL="public-read")
    refused("NotImplemented", s3.put_object, Bucket=bucket, Key="tags", Body=b"", Tagging="a=b")
    refused("NotImplemented", s3.copy_object, Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "x"}, TaggingDirective="REPLACE", Tagging="a=b")
    refused("NotImplemented", s3.get_bucket_website, Bucket=bucket)
    refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=bucket)
    refused("UnsupportedOperationException", kms.generate_random, NumberOfBytes=8, Recipient={"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"})


s3v4 = client("s3", signature_version="s3v4", s3={"addressing_style": "path"})


def main():
    checks = [(name, f) for name, f in globals().items() if name.startswith("check_")]
    failed = 0
    for number, (name, check) in enumerate(checks):
        bucket = f"boto3-{number}"
        s3.create_bucket(Bucket=bucket)
        try:
            check(bucket)
        except Exception:
            import traceback

            print(f"{name}:\n{traceback.format_exc()}", file=sys.stderr)
            failed += 1
        else:
            print("ok", name)
    if failed:
        sys.exit(f"{failed} checks failed")
    print(f"every check passed, {len(checks)} of them, with botocore {botocore.__version__}")


main()
