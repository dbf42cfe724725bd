// AWS's SDK for JavaScript against the endpoint and under the credential in the
// environment. Prints "every check passed" when all is as AWS has it.
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createHash, createHmac, createPublicKey, randomBytes, verify } from 'node:crypto';
import * as kms from '@aws-sdk/client-kms';

const client = new kms.KMSClient({});
const send = (command, input) => client.send(new kms[command + 'Command'](input));
const bytes = (text) => new TextEncoder().encode(text);
const create = async (input) => (await send('CreateKey', input)).KeyMetadata;
const refused = (call, name, message) => assert.rejects(call, (err) => {
  assert.equal(err.name, name);
  assert.ok(err instanceof kms[name], `${name} is a class of the SDK`);
  assert.ok(err.$metadata.requestId, 'an error names its request');
  if (message) assert.match(err.message, message);
  return true;
});

// Encrypt, Decrypt and ReEncrypt.
const key = await create({ Description: 'from JavaScript', Tags: [{ TagKey: 'from', TagValue: 'js' }] });
assert.equal(key.KeyState, 'Enabled');
assert.ok(key.CreationDate instanceof Date && Math.abs(Date.now() - key.CreationDate) < 3600e3, 'a date, in seconds');
await send('CreateAlias', { AliasName: 'alias/js', TargetKeyId: key.KeyId });
const EncryptionContext = { tenant: 'Zürich', purpose: 'demo' };
const plaintext = bytes('attack at dawn');
const sealed = await send('Encrypt', { KeyId: 'alias/js', Plaintext: plaintext, EncryptionContext });
assert.equal(sealed.KeyId, key.Arn);
const opened = await send('Decrypt', { CiphertextBlob: sealed.CiphertextBlob, EncryptionContext });
assert.deepEqual(Buffer.from(opened.Plaintext), Buffer.from(plaintext));
await refused(send('Decrypt', { CiphertextBlob: sealed.CiphertextBlob }), 'InvalidCiphertextException');
await refused(send('Decrypt', { CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: { ...EncryptionContext, tenant: 'Zurich' } }), 'InvalidCiphertextException');
await refused(send('Encrypt', { KeyId: 'alias/nobody', Plaintext: plaintext }), 'NotFoundException', /^Alias arn:aws:kms:[a-z0-9-]+:\d{12}:alias\/nobody is not found\.$/);
const other = await create({});
const moved = await send('ReEncrypt', { CiphertextBlob: sealed.CiphertextBlob, SourceEncryptionContext: EncryptionContext, DestinationKeyId: other.KeyId });
assert.equal(moved.KeyId, other.Arn);
assert.equal(moved.SourceKeyId, key.Arn);
assert.deepEqual(Buffer.from((await send('Decrypt', moved)).Plaintext), Buffer.from(plaintext));

// A data key seals here and is opened there.
const dataKey = await send('GenerateDataKey', { KeyId: key.KeyId, KeySpec: 'AES_256', EncryptionContext });
const iv = randomBytes(12);
const cipher = createCipheriv('aes-256-gcm', dataKey.Plaintext, iv);
const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
const again = await send('Decrypt', { CiphertextBlob: dataKey.CiphertextBlob, EncryptionContext, KeyId: key.Arn });
const decipher = createDecipheriv('aes-256-gcm', again.Plaintext, iv).setAuthTag(cipher.getAuthTag());
assert.deepEqual(Buffer.concat([decipher.update(body), decipher.final()]), Buffer.from(plaintext));
assert.equal((await send('GenerateRandom', { NumberOfBytes: 1024 })).Plaintext.length, 1024);

// Signatures, which Node's OpenSSL verifies too.
for (const [KeySpec, SigningAlgorithm, hash, options] of [
  ['ECC_NIST_P256', 'ECDSA_SHA_256', 'sha256', {}],
  ['RSA_2048', 'RSASSA_PKCS1_V1_5_SHA_512', 'sha512', {}],
  ['RSA_2048', 'RSASSA_PSS_SHA_256', 'sha256', { padding: 6, saltLength: 32 }],
  ['ECC_NIST_EDWARDS25519', 'ED25519_SHA_512', null, {}],
]) {
  const signer = await create({ KeySpec, KeyUsage: 'SIGN_VERIFY' });
  const { Signature } = await send('Sign', { KeyId: signer.KeyId, Message: plaintext, SigningAlgorithm });
  const { SignatureValid } = await send('Verify', { KeyId: signer.KeyId, Message: plaintext, SigningAlgorithm, Signature });
  assert.equal(SignatureValid, true);
  const { PublicKey } = await send('GetPublicKey', { KeyId: signer.KeyId });
  const publicKey = createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' });
  assert.ok(verify(hash, plaintext, { key: publicKey, ...options }, Signature), `${SigningAlgorithm} verifies here`);
  await refused(send('Verify', { KeyId: signer.KeyId, Message: bytes('attack at dusk'), SigningAlgorithm, Signature }), 'KMSInvalidSignatureException');
  if (hash) {
    const digest = await send('Sign', { KeyId: signer.KeyId, Message: createHash(hash).update(plaintext).digest(), MessageType: 'DIGEST', SigningAlgorithm });
    assert.ok(verify(hash, plaintext, { key: publicKey, ...options }, digest.Signature), `${SigningAlgorithm} of a digest verifies here`);
  }
}

// MACs.
const maker = await create({ KeySpec: 'HMAC_384', KeyUsage: 'GENERATE_VERIFY_MAC' });
const { Mac } = await send('GenerateMac', { KeyId: maker.KeyId, Message: plaintext, MacAlgorithm: 'HMAC_SHA_384' });
assert.equal(Mac.length, createHmac('sha384', 'any').digest().length);
assert.equal((await send('VerifyMac', { KeyId: maker.KeyId, Message: plaintext, MacAlgorithm: 'HMAC_SHA_384', Mac })).MacValid, true);
Mac[0] ^= 1;
await refused(send('VerifyMac', { KeyId: maker.KeyId, Message: plaintext, MacAlgorithm: 'HMAC_SHA_384', Mac }), 'KMSInvalidMacException');

// Pages, as the SDK turns them.
let seen = [];
for await (const page of kms.paginateListKeys({ client, pageSize: 2 }, {})) {
  assert.ok(page.Keys.length <= 2);
  seen = seen.concat(page.Keys.map((k) => k.KeyId));
}
for (const k of [key, other, maker]) assert.ok(seen.includes(k.KeyId));
assert.equal(new Set(seen).size, seen.length);

// States, and the dates with them.
await send('DisableKey', { KeyId: other.KeyId });
await refused(send('Encrypt', { KeyId: other.KeyId, Plaintext: plaintext }), 'DisabledException', new RegExp(`^${other.Arn} is disabled\\.$`));
const { DeletionDate } = await send('ScheduleKeyDeletion', { KeyId: other.KeyId, PendingWindowInDays: 7 });
assert.ok(Math.abs(DeletionDate - Date.now() - 7 * 86400e3) < 3600e3);
await refused(send('EnableKey', { KeyId: other.KeyId }), 'KMSInvalidStateException', /is pending deletion\.$/);
console.log('every check passed');
