#!/usr/bin/env python3
"""Opens ciphertext blobs, stored objects, sealed records and keys of Strongroom.

Written from docs/formats alone, to show that the formats are what those
documents say. docs/formats/reader.md describes usage and input.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import struct
import sys


class Damaged(Exception):
    """The input does not open; the text says what."""


# --- AES-256-GCM, decryption only (FIPS 197, SP 800-38D) ---


def _sbox():
    p = q = 1
    box = [0] * 256
    while True:
        p = p ^ ((p << 1) & 0xFF) ^ (0x1B if p & 0x80 else 0)  # times 3
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        rot = lambda n: ((q << n) | (q >> (8 - n))) & 0xFF
        box[p] = q ^ rot(1) ^ rot(2) ^ rot(3) ^ rot(4) ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


SBOX = _sbox()
DOUBLE = [((x << 1) ^ (0x1B if x & 0x80 else 0)) & 0xFF for x in range(256)]


class PureGCM:
    """AES-256-GCM in plain Python: slow, and not in constant time."""

    def __init__(self, key):
        words = [list(key[i : i + 4]) for i in range(0, 32, 4)]
        rcon = 1
        for i in range(8, 60):
            w = list(words[i - 1])
            if i % 8 == 0:
                w = [SBOX[b] for b in w[1:] + w[:1]]
                w[0] ^= rcon
                rcon = DOUBLE[rcon]
            elif i % 8 == 4:
                w = [SBOX[b] for b in w]
            words.append([a ^ b for a, b in zip(words[i - 8], w)])
        self.rounds = [sum(words[i : i + 4], []) for i in range(0, 60, 4)]
        h = int.from_bytes(self.block(bytes(16)), "big")
        # table[i][b] is byte b at position i of a block, times h
        power = []
        for _ in range(128):
            power.append(h)
            h = (h >> 1) ^ (0xE1 << 120 if h & 1 else 0)
        self.table = []
        for i in range(16):
            row = [0] * 256
            for b in range(256):
                for bit in range(8):
                    if b & (0x80 >> bit):
                        row[b] ^= power[8 * i + bit]
            self.table.append(row)

    def block(self, b):
        s = [x ^ k for x, k in zip(b, self.rounds[0])]
        for n in range(1, 15):
            s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]  # SubBytes, ShiftRows
            if n < 14:
                out = []
                for c in range(0, 16, 4):
                    col = s[c : c + 4]
                    every = col[0] ^ col[1] ^ col[2] ^ col[3]
                    for i in range(4):
                        out.append(col[i] ^ every ^ DOUBLE[col[i] ^ col[(i + 1) % 4]])
                s = out
            s = [x ^ k for x, k in zip(s, self.rounds[n])]
        return bytes(s)

    def ghash(self, aad, ciphertext):
        pad = lambda x: x + bytes(-len(x) % 16)
        data = pad(aad) + pad(ciphertext) + struct.pack(">QQ", 8 * len(aad), 8 * len(ciphertext))
        y = 0
        for i in range(0, len(data), 16):
            y ^= int.from_bytes(data[i : i + 16], "big")
            z = 0
            for j, b in enumerate(y.to_bytes(16, "big")):
                z ^= self.table[j][b]
            y = z
        return y.to_bytes(16, "big")

    def open(self, nonce, ciphertext, tag, aad):
        mask = self.block(nonce + b"\0\0\0\1")
        want = bytes(a ^ b for a, b in zip(self.ghash(aad, ciphertext), mask))
        if not hmac.compare_digest(want, tag):
            raise Damaged("authentication failed")
        out = bytearray()
        for i in range(0, len(ciphertext), 16):
            stream = self.block(nonce + struct.pack(">I", 2 + i // 16))
            out += bytes(a ^ b for a, b in zip(ciphertext[i : i + 16], stream))
        return bytes(out)


class LibraryGCM:
    """AES-256-GCM of the package cryptography."""

    def __init__(self, key):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.aead = AESGCM(key)

    def open(self, nonce, ciphertext, tag, aad):
        from cryptography.exceptions import InvalidTag

        try:
            return self.aead.decrypt(nonce, ciphertext + tag, aad)
        except InvalidTag:
            raise Damaged("authentication failed") from None


try:
    import cryptography  # noqa: F401

    GCM = LibraryGCM
except ImportError:
    GCM = PureGCM


def gcm_open(key, sealed, aad):
    """Opens nonce (12), ciphertext, tag (16)."""
    if len(sealed) < 28:
        raise Damaged("sealed bytes are too short")
    return GCM(key).open(sealed[:12], sealed[12:-16], sealed[-16:], aad)


# --- root-key.md ---


def kdf(key, label, context):
    data = struct.pack(">I", 1) + label.encode() + b"\0" + context + struct.pack(">I", 256)
    return hmac.new(key, data, hashlib.sha256).digest()


def read_root_key(path):
    with open(path, encoding="utf-8") as f:
        lines = [line.rstrip("\r\n") for line in f]
    lines = [line for line in lines if line and not line.startswith("#")]
    tag = "STRONGROOM-ROOT-KEY-1"
    if len(lines) != 1 or not lines[0].startswith(tag + " ") or len(lines[0]) != len(tag) + 1 + 48:
        raise Damaged("root key file does not have exactly one key")
    raw = base64.urlsafe_b64decode(lines[0][len(tag) + 1 :])
    if hashlib.sha256(tag.encode() + b"\0" + raw[:32]).digest()[:4] != raw[32:]:
        raise Damaged("root key is mistyped")
    return raw[:32]


def root_key_id(key):
    return kdf(key, "strongroom/1 root key id", b"")[:8].hex()


# --- key-token.md ---


def lp(x):
    if isinstance(x, str):
        x = x.encode()
    return struct.pack(">I", len(x)) + x


def open_box(parent, label, box, aad):
    if len(box) < 44:
        raise Damaged("box is too short")
    return gcm_open(kdf(parent, label, box[:16]), box[16:], aad)


def open_token(parent, purpose, token, domain, account, region, key_id):
    version, got = token[0], token[1]
    if version != 1 or got != purpose:
        raise Damaged(f"token has version {version} and purpose {got}, want 1 and {purpose}")
    aad = token[:6] + lp(domain) + lp(account) + lp(region) + lp(key_id)
    try:
        return open_box(parent, f"strongroom/1 key token {purpose}", token[6:], aad)
    except Damaged as e:
        raise Damaged(f"token of purpose {purpose}, key id {key_id!r}: {e}") from None


def mac(key, *parts):
    return hmac.new(key, b"".join(lp(p) for p in parts), hashlib.sha256).digest()


def material_id(key, key_id):
    return kdf(key, "strongroom/1 key material id", key_id.encode())


# The types of key pairs and HMAC keys, with the size of their material; those
# of RSA are PKCS #8 and have no fixed one.
TYPES = {
    "RSA_2048": (2, 0),
    "RSA_3072": (3, 0),
    "RSA_4096": (4, 0),
    "ECC_NIST_P256": (5, 32),
    "ECC_NIST_P384": (6, 48),
    "ECC_NIST_P521": (7, 66),
    "ECC_SECG_P256K1": (8, 32),
    "ECC_NIST_EDWARDS25519": (9, 32),
    "ML_DSA_44": (10, 32),
    "ML_DSA_65": (11, 32),
    "ML_DSA_87": (12, 32),
    "SM2": (13, 32),
    "HMAC_224": (14, 28),
    "HMAC_256": (15, 32),
    "HMAC_384": (16, 48),
    "HMAC_512": (17, 64),
}


def open_typed_key(doc, keys):
    """The material of a key pair or HMAC key."""
    spec, k = doc["key_spec"], doc["typed_key"]
    number, size = TYPES[spec]
    wrapped = keys.open(9 if spec.startswith("HMAC") else 8, k)
    if wrapped[0] != number:
        raise Damaged(f"token holds material of type {wrapped[0]}, {spec} is type {number}")
    if size and len(wrapped) != 1 + size:
        raise Damaged(f"material of {spec} has {len(wrapped) - 1} bytes")
    if material_id(wrapped, k.get("key_id", "")) != raw(doc["key_material_id"]):
        raise Damaged("material has another key material id")
    return wrapped[1:]


class Keys:
    """The keys of a document, opened when they are asked for."""

    def __init__(self, doc, root_key_file):
        root = read_root_key(root_key_file)
        self.domains = {}
        for d in doc["domain_keys"]:
            if d["root_key_id"] != root_key_id(root):
                raise Damaged(f"domain key needs root key {d['root_key_id']}, this is {root_key_id(root)}")
            key = open_token(root, 255, raw(d["token"]), d["domain"], "", "", d["root_key_id"])
            self.domains[d["domain"], d["version"]] = key

    def open(self, purpose, k):
        token = raw(k["token"])
        domain, (version,) = k["domain"], struct.unpack(">I", token[2:6])
        if (domain, version) not in self.domains:
            raise Damaged(f"domain key {domain!r} version {version} is not in the document")
        names = [k.get(n, "") for n in ("account", "region", "key_id")]
        return open_token(self.domains[domain, version], purpose, token, domain, *names)


# --- ciphertext-blob.md ---


def canonical_context(context):
    pairs = sorted((k.encode(), v.encode()) for k, v in context.items())
    return b"".join(lp(k) + lp(v) for k, v in pairs)


def open_blob(doc, keys):
    blob = raw(doc["blob"])
    if blob[:4] != b"SRB1":
        raise Damaged("blob has another format")
    at, names = 4, []
    for _ in range(3):
        n = blob[at]
        names.append(blob[at + 1 : at + 1 + n].decode())
        at += 1 + n
    header, material = blob[: at + 32], blob[at : at + 32]
    header_mac, body = blob[at + 32 : at + 64], blob[at + 64 :]
    want = mac(keys.open(3, doc["blob_header_key"]), "strongroom/1 blob header", header)
    if not hmac.compare_digest(want, header_mac):
        raise Damaged("blob's header is not authentic")
    if names[2].startswith("mrk-") and names[1]:
        raise Damaged("blob of a multi-region key has a region")
    aad = lp(header) + canonical_context(doc.get("context") or {})
    for k in doc["backing_keys"]:
        if k.get("key_id") == names[2]:
            key = keys.open(1, k)
            if material_id(key, names[2]) == material:
                return open_box(key, "strongroom/1 message", body, aad)
    raise Damaged(f"no backing key has the material of the blob's key {names[2]}")


# --- object.md ---


class Fields:
    """Takes fields off the front of a byte string."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Damaged("manifest is too short")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, n):
        return int.from_bytes(self.take(n), "big")

    def lp(self):
        return self.take(self.number(4))


def parse_manifest(data):
    f = Fields(data)
    if f.take(4) != b"SRM1":
        raise Damaged("manifest has another format")
    m = {"size": f.number(8), "etag": f.lp(), "checksum": [f.lp() for _ in range(3)], "parts": []}
    for _ in range(f.number(4)):
        m["parts"].append({"number": f.number(4), "size": f.number(8), "salt": f.take(16), "blob": f.lp().decode(), "md5": f.lp(), "checksum": f.lp()})
    if f.at != len(data):
        raise Damaged("manifest is too long")
    if any(p["salt"] == bytes(16) for p in m["parts"]):
        raise Damaged("a part of the manifest has no salt")
    numbers = [p["number"] for p in m["parts"]]
    if not numbers or numbers[0] < 1 or any(a >= b for a, b in zip(numbers, numbers[1:])):
        raise Damaged("manifest's part numbers do not ascend")
    if sum(p["size"] for p in m["parts"]) != m["size"]:
        raise Damaged("manifest's sizes do not add up")
    return m


def open_part(object_key, part, stored):
    number, size = part["number"], part["size"]
    chunks = max(1, -(-size // 65536))
    if len(stored) != 52 + size + 28 * chunks:
        raise Damaged(f"part {number} has {len(stored)} bytes")
    if stored[:8] != b"SRP1" + struct.pack(">I", number):
        raise Damaged(f"part {number} has another record")
    if stored[8:24] != part["salt"]:
        raise Damaged(f"part {number} is of another attempt to upload it")
    context = stored[4:24]
    gcm_open(kdf(object_key, "strongroom/1 part record", context), stored[24:52], stored[:24])
    key = kdf(object_key, "strongroom/1 part content", context)
    digest = hashlib.md5()
    for i in range(chunks):
        sealed = stored[52 + i * 65564 : 52 + (i + 1) * 65564]
        final = i == chunks - 1
        chunk = gcm_open(key, sealed, struct.pack(">IQB", number, i, final))
        digest.update(chunk)
        yield chunk
    if part["md5"] and part["md5"] != digest.digest():
        raise Damaged(f"part {number} has another MD5")


def open_object(doc, keys):
    mode = {"AES256": 1, "aws:kms": 2}[doc["mode"]]
    binding = lp("strongroom/1 object") + bytes([mode]) + lp(doc["bucket"]) + lp(doc["key"]) + raw(doc["instance"])
    data_key = open_blob(doc, keys)
    object_key = open_box(data_key, "strongroom/1 object key", raw(doc["object_key"]), binding)
    manifest = parse_manifest(open_box(object_key, "strongroom/1 manifest", raw(doc["manifest"]), binding))
    parts = doc["parts"]
    for part in manifest["parts"]:
        path = os.path.join(parts, part["blob"]) if isinstance(parts, str) else parts[part["blob"]]
        with open(path, "rb") as f:
            yield from open_part(object_key, part, f.read())


# --- reader.md ---


def raw(s):
    if s.startswith("hex:"):
        return bytes.fromhex(s[4:])
    return base64.b64decode(s, validate=True)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--root-key", metavar="FILE", help="root key file, instead of the document's")
    args.add_argument("--pure", action="store_true", help="do not use the package cryptography")
    args.add_argument("what", choices=["blob", "object", "record", "key"])
    args.add_argument("document", help="JSON file, or - for standard input")
    args = args.parse_args()
    if args.pure:
        global GCM
        GCM = PureGCM
    with sys.stdin if args.document == "-" else open(args.document, encoding="utf-8") as f:
        doc = json.load(f)
    try:
        keys = Keys(doc, args.root_key or doc["root_key_file"])
        if args.what == "blob":
            plaintext = [open_blob(doc, keys)]
        elif args.what == "object":
            plaintext = open_object(doc, keys)
        elif args.what == "key":
            plaintext = [open_typed_key(doc, keys)]
        else:
            record_key = keys.open(5, doc["record_key"])
            plaintext = [open_box(record_key, "strongroom/1 record", raw(doc["sealed"]), raw(doc["aad"]))]
        for piece in plaintext:
            sys.stdout.buffer.write(piece)
    except (Damaged, IndexError, KeyError, ValueError, OSError) as e:
        sys.exit(f"reader: {type(e).__name__}: {e}")


if __name__ == "__main__":
    main()
