"""boto3's transfer manager in bad weather: boto3_transfer.py ENDPOINT WHAT [ARGUMENT...].

    make                        make the bucket
    retries PROXY MODE          transfers through a proxy that breaks connections; all must succeed
    hopeless PROXY              the same with every connection broken; whatever ends must be whole
    abort OBJECTS               uploads ended by their callbacks; nothing may be left in the directory OBJECTS
    interrupt OBJECTS           `aws s3 cp` ended by SIGINT; the same
"""

import io
import os
import random
import signal
import subprocess
import sys
import time

import boto3
from boto3.exceptions import RetriesExceededError, S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ENDPOINT, WHAT, ARGUMENTS = sys.argv[1], sys.argv[2], sys.argv[3:]
MIB = 1 << 20
BUCKET = "transfers"
PATIENCE = 60  # seconds for what always comes


def client(endpoint, mode, attempts):
    return boto3.client("s3", endpoint_url=endpoint, config=Config(
        retries={"mode": mode, "total_max_attempts": attempts}, s3={"addressing_style": "path"}, connect_timeout=10, read_timeout=60))


direct = client(ENDPOINT, "standard", 1)


def settings(**more):
    return TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4, **more)


def content(seed, size):
    return random.Random(seed).randbytes(size)


def there(key):
    """The object as it is, or None."""
    try:
        return direct.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    except ClientError as e:
        assert e.response["Error"]["Code"] == "NoSuchKey", e
        return None


class Stream(io.RawIOBase):
    """A source that cannot seek."""

    def __init__(self, content):
        self.source = io.BytesIO(content)

    def readable(self):
        return True

    def read(self, size=-1):
        return self.source.read(size)


def transfers(s3, prefix):
    """Uploads of each kind: a name, what is sent, and a function that sends it."""
    large, small = content(prefix, 13 * MIB + 5), content(prefix + "small", 300_000)
    for name, sent in (("large", large), ("small", small)):
        with open(name, "wb") as f:
            f.write(sent)
    kms = {"ServerSideEncryption": "aws:kms"}
    return [
        (f"{prefix}/file", large, lambda key: s3.upload_file("large", BUCKET, key, Config=settings())),
        (f"{prefix}/file, one thread", large, lambda key: s3.upload_file("large", BUCKET, key, Config=settings(use_threads=False), ExtraArgs=kms)),
        (f"{prefix}/fileobj", large, lambda key: s3.upload_fileobj(io.BytesIO(large), BUCKET, key, Config=settings(), ExtraArgs=kms)),
        (f"{prefix}/stream", large, lambda key: s3.upload_fileobj(Stream(large), BUCKET, key, Config=settings())),
        (f"{prefix}/small", small, lambda key: s3.upload_file("small", BUCKET, key, Config=settings())),
    ]


def retries(proxy, mode):
    # Broken connections are fewer than attempts: no request can run out of them.
    s3 = client(proxy, mode, 12)
    for key, sent, upload in transfers(s3, mode):
        upload(key)
        assert there(key) == sent, key
        for threads in (True, False):
            s3.download_file(BUCKET, key, "back", Config=settings(use_threads=threads))
            with open("back", "rb") as f:
                assert f.read() == sent, (key, threads)
            os.remove("back")
    print("every transfer succeeded with retries", mode)


def hopeless(proxy):
    s3 = client(proxy, "standard", 1)
    whole = failed = 0
    for key, sent, upload in transfers(s3, "hopeless"):
        try:
            upload(key)
        except (S3UploadFailedError, BotoCoreError, ClientError):
            failed += 1
            assert there(key) in (None, sent), key
        else:
            whole += 1
            assert there(key) == sent, key
        direct.put_object(Bucket=BUCKET, Key=key, Body=sent)
        try:
            s3.download_file(BUCKET, key, "back", Config=settings())
        except (RetriesExceededError, BotoCoreError, ClientError):
            assert not os.path.exists("back"), key
        else:
            with open("back", "rb") as f:
                assert f.read() == sent, key
            os.remove("back")
    assert failed, "no upload failed: the test proves too little"
    print(whole, "uploads whole,", failed, "failed")


def files(directory):
    return {os.path.basename(name) for _, _, names in os.walk(directory) for name in names}


def until(what, condition):
    late = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < late, f"waited in vain: {what}"
        time.sleep(0.01)  # between two looks


class Enough(Exception):
    pass


def abort(objects):
    direct.put_object(Bucket=BUCKET, Key="before", Body=b"x")
    before = settled(objects)
    sent = content("abort", 21 * MIB)
    with open("aborted", "wb") as f:
        f.write(sent)
    for name, limit, upload in (
        ("first bytes", 1, lambda key, stop: direct.upload_file("aborted", BUCKET, key, Config=settings(), Callback=stop)),
        ("middle", 11 * MIB, lambda key, stop: direct.upload_file("aborted", BUCKET, key, Config=settings(), Callback=stop)),
        ("one thread", 11 * MIB, lambda key, stop: direct.upload_file("aborted", BUCKET, key, Config=settings(use_threads=False), Callback=stop)),
        ("stream", 16 * MIB, lambda key, stop: direct.upload_fileobj(Stream(sent), BUCKET, key, Config=settings(), Callback=stop)),
    ):
        aborts, passed = [], [0]
        direct.meta.events.register("after-call.s3.AbortMultipartUpload", lambda http_response, **_: aborts.append(http_response.status_code), unique_id="aborts")

        def stop(n):
            passed[0] += n
            if passed[0] >= limit:
                raise Enough

        try:
            upload(f"aborted/{name}", stop)
        except Enough:
            pass
        else:
            raise AssertionError(f"{name}: the upload succeeded")
        finally:
            direct.meta.events.unregister("after-call.s3.AbortMultipartUpload", unique_id="aborts")
        assert aborts == [204], (name, aborts)
        assert there(f"aborted/{name}") is None, name
        until(f"{name}: files of an aborted upload", lambda: files(objects) == before)
    print("nothing left of aborted uploads")


def settled(objects):
    """The files, when none is in staging any more."""
    until("files in staging", lambda: not files(os.path.join(objects, "staging")))
    return files(objects)


def interrupt(objects):
    before = settled(objects)
    with open("interrupted", "wb") as f:
        f.write(content("interrupt", 60 * MIB))
    with open("aws-config", "w") as f:
        f.write("[default]\ns3 =\n  max_bandwidth = 10MB/s\n  multipart_chunksize = 5MB\n")
    for parts in (1, 3):
        cp = subprocess.Popen(["aws", "--endpoint-url", ENDPOINT, "s3", "cp", "--no-progress", "interrupted", f"s3://{BUCKET}/interrupted"],
                              env={**os.environ, "AWS_CONFIG_FILE": os.path.abspath("aws-config")}, stderr=subprocess.PIPE, start_new_session=True)
        # Files appear when their parts begin; those that are complete leave staging.
        until("parts of the upload", lambda: cp.poll() is not None or len(files(objects) - before - files(os.path.join(objects, "staging"))) >= parts)
        assert cp.poll() is None, "the upload was over before the signal"
        os.killpg(cp.pid, signal.SIGINT)
        _, said = cp.communicate(timeout=PATIENCE)
        assert cp.returncode != 0, said
        assert there("interrupted") is None
        until("files of an interrupted upload", lambda: files(objects) == before)
    print("nothing left of interrupted uploads")


{
    "make": lambda: direct.create_bucket(Bucket=BUCKET),
    "retries": retries,
    "hopeless": hopeless,
    "abort": abort,
    "interrupt": interrupt,
}[WHAT](*ARGUMENTS)
