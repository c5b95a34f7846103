// Uses every method for keys that @azure/keyvault-keys has and this vault serves, and checks what came of it with
// Node's own crypto. Prints what it saw as JSON.
import crypto from "node:crypto";
import fs from "node:fs";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";
import { signIn } from "./sign_in.mjs";

const told = JSON.parse(fs.readFileSync(process.argv[2]));
const credential = signIn(told);
const options = { retryOptions: { maxRetries: 0 } };
const keys = new KeyClient(told.vault, credential, options);

// remote is a client that asks the vault for everything: by the key's address, and without the arithmetic of its own.
function remote(key) {
  const made = new CryptographyClient(key.id, credential, options);
  made.providers = [made.remoteProvider];
  if (!made.remoteProvider) throw new Error("the client's provider has another name now");
  return made;
}

const refusal = (promise) =>
  promise.then(
    () => "done",
    (error) => `${error.statusCode} ${error.code}`,
  );
const same = (a, b) => Buffer.from(a).equals(Buffer.from(b));
const jwkOf = (key, crv) => {
  const text = (bytes) => Buffer.from(bytes).toString("base64url");
  return key.key.n
    ? { kty: "RSA", n: text(key.key.n), e: text(key.key.e) }
    : { kty: "EC", crv, x: text(key.key.x), y: text(key.key.y) };
};
const publicOf = (key, crv) => crypto.createPublicKey({ key: jwkOf(key, crv), format: "jwk" });

const seen = {};
const secret = crypto.randomBytes(32);

async function makeAndShow() {
  const made = [
    await keys.createRsaKey("js-rsa", { keySize: 2048 }),
    await keys.createKey("js-rsa-hsm", "RSA-HSM"),
    await keys.createEcKey("js-ec", { curve: "P-256" }),
    await keys.createEcKey("js-ec-hsm", { curve: "P-384", hsm: true }),
    await keys.createOctKey("js-oct", { keySize: 256 }),
    await keys.createOctKey("js-oct-hsm", { hsm: true }),
  ];
  seen.kinds = made.map((key) => key.keyType);
  seen.get = (await keys.getKey("js-ec")).id === made[2].id;
  const listed = [];
  for await (const item of keys.listPropertiesOfKeys()) listed.push(item.name);
  seen.listed = made.every((key) => listed.includes(key.name));
  seen.updated = (await keys.updateKeyProperties("js-ec", { keyOps: ["sign"] })).keyOperations;
}

async function useRsa() {
  const key = await keys.createRsaKey("js-used");
  const client = remote(key);
  const half = publicOf(key);
  const { RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_PSS_PADDING } = crypto.constants;
  const ours = {
    RSA1_5: { key: half, padding: crypto.constants.RSA_PKCS1_PADDING },
    "RSA-OAEP": { key: half, padding: RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" },
    "RSA-OAEP-256": { key: half, padding: RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" },
  };
  seen.rsa = {};
  for (const [alg, how] of Object.entries(ours)) {
    const theirs = await client.encrypt(alg, secret);
    const wrapped = await client.wrapKey(alg, secret);
    seen.rsa[alg] =
      same((await client.decrypt(alg, crypto.publicEncrypt(how, secret))).result, secret) &&
      same((await client.decrypt(alg, theirs.result)).result, secret) &&
      same((await client.unwrapKey(alg, wrapped.result)).result, secret);
  }
  seen.signatures = {};
  for (const bits of [256, 384, 512]) {
    const message = Buffer.from("message");
    const digest = crypto.createHash(`sha${bits}`).update(message).digest();
    for (const [kind, how] of [
      ["RS", { key: half }],
      ["PS", { key: half, padding: RSA_PKCS1_PSS_PADDING, saltLength: bits / 8 }],
    ]) {
      const { result } = await client.sign(`${kind}${bits}`, digest);
      const held = await client.verify(`${kind}${bits}`, digest, result);
      seen.signatures[`${kind}${bits}`] = held.result && crypto.verify(`sha${bits}`, message, how, result);
      digest[0] ^= 1;
      if (bits === 512) seen.wrongSignature = (await client.verify(`${kind}${bits}`, digest, result)).result;
      digest[0] ^= 1;
    }
  }
  const signed = await client.signData("RS256", Buffer.from("data"));
  seen.signData = crypto.verify("sha256", Buffer.from("data"), half, signed.result);
}

async function useCurves() {
  seen.curves = {};
  for (const [curve, alg, bits] of [
    ["P-256", "ES256", 256],
    ["P-384", "ES384", 384],
    ["P-521", "ES512", 512],
    ["P-256K", "ES256K", 256],
  ]) {
    const key = await keys.createEcKey(`js-${curve}`, { curve });
    const client = remote(key);
    const message = Buffer.from("message");
    const digest = crypto.createHash(`sha${bits}`).update(message).digest();
    const { result } = await client.sign(alg, digest);
    const half = publicOf(key, curve === "P-256K" ? "secp256k1" : curve);
    seen.curves[curve] =
      crypto.verify(`sha${bits}`, message, { key: half, dsaEncoding: "ieee-p1363" }, result) &&
      (await client.verify(alg, digest, result)).result;
  }
}

async function useAes() {
  seen.aes = {};
  for (const bits of [128, 192, 256]) {
    const octets = crypto.randomBytes(bits / 8);
    const jwk = { kty: "oct", k: octets, keyOps: ["encrypt", "decrypt", "wrapKey", "unwrapKey"] };
    const client = remote(await keys.importKey(`js-aes-${bits}`, jwk));
    const aad = Buffer.from("about");
    const gcm = { algorithm: `A${bits}GCM`, additionalAuthenticatedData: aad };
    const sealed = await client.encrypt({ ...gcm, plaintext: secret });
    const opener = crypto.createDecipheriv(`aes-${bits}-gcm`, octets, sealed.iv).setAAD(aad);
    opener.setAuthTag(sealed.authenticationTag);
    const parts = { ...gcm, ciphertext: sealed.result, iv: sealed.iv, authenticationTag: sealed.authenticationTag };
    seen.aes[`A${bits}GCM`] =
      same(Buffer.concat([opener.update(sealed.result), opener.final()]), secret) &&
      same((await client.decrypt(parts)).result, secret);
    parts.authenticationTag = crypto.randomBytes(16);
    seen.wrongTag = await refusal(client.decrypt(parts));

    for (const [algorithm, plaintext] of [
      [`A${bits}CBC`, secret],
      [`A${bits}CBCPAD`, secret.subarray(5)],
    ]) {
      const iv = crypto.randomBytes(16);
      const cipher = crypto.createCipheriv(`aes-${bits}-cbc`, octets, iv);
      cipher.setAutoPadding(algorithm.endsWith("PAD"));
      const expected = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      const encrypted = await client.encrypt({ algorithm, plaintext, iv });
      const decrypted = await client.decrypt({ algorithm, ciphertext: encrypted.result, iv: encrypted.iv });
      seen.aes[algorithm] = same(encrypted.result, expected) && same(decrypted.result, plaintext);
    }

    const start = Buffer.from("A6A6A6A6A6A6A6A6", "hex");
    const cipher = crypto.createCipheriv(`id-aes${bits}-wrap`, octets, start);
    const expected = Buffer.concat([cipher.update(secret), cipher.final()]);
    const wrapped = await client.wrapKey(`A${bits}KW`, secret);
    const unwrapped = await client.unwrapKey(`A${bits}KW`, wrapped.result);
    seen.aes[`A${bits}KW`] = same(wrapped.result, expected) && same(unwrapped.result, secret);
  }
}

async function importAndRotate() {
  const { privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { kty: "RSA" };
  for (const [name, value] of Object.entries(privateKey.export({ format: "jwk" }))) {
    if (name !== "kty") jwk[name] = Buffer.from(value, "base64url");
  }
  const imported = await keys.importKey("js-imported", jwk, { hardwareProtected: true });
  const { result } = await remote(imported).decrypt("RSA-OAEP", crypto.publicEncrypt(
    { key: crypto.createPublicKey(privateKey), oaepHash: "sha1" }, secret));
  seen.imported = [imported.keyType, same(result, secret)];
  const wrong = { ...jwk, d: Buffer.from(jwk.d) };
  wrong.d[9] ^= 1;
  seen.wrongImport = await refusal(keys.importKey("js-wrong", wrong));

  await keys.rotateKey("js-imported");
  seen.rotated = 0;
  for await (const version of keys.listPropertiesOfKeyVersions("js-imported")) seen.rotated += version.name ? 1 : 0;
  const [standard] = (await keys.getKeyRotationPolicy("js-imported")).lifetimeActions;
  seen.defaultPolicy = [standard.action, standard.timeBeforeExpiry];
  const policy = { lifetimeActions: [{ action: "Rotate", timeAfterCreate: "P2M" }], expiresIn: "P90D" };
  const stored = await keys.updateKeyRotationPolicy("js-imported", policy);
  const [action] = stored.lifetimeActions;
  seen.policy = [action.action, action.timeAfterCreate, stored.expiresIn];
  seen.badPolicy = await refusal(keys.updateKeyRotationPolicy("js-imported", { ...policy, expiresIn: "P27D" }));
}

async function theRest() {
  seen.random = (await keys.getRandomBytes(32)).length;
  seen.tooManyRandom = await refusal(keys.getRandomBytes(129));
  seen.attestation = await refusal(keys.getKeyAttestation("js-ec-hsm"));
  const releasePolicy = { encodedPolicy: Buffer.from(JSON.stringify(told.policy)) };
  await keys.createRsaKey("js-released", { hsm: true, exportable: true, releasePolicy });
  const { value } = await keys.releaseKey("js-released", told.token, { algorithm: "RSA_AES_KEY_WRAP_256" });
  const payload = JSON.parse(Buffer.from(value.split(".")[1], "base64url"));
  seen.released = payload.request.enc === "RSA_AES_KEY_WRAP_256" && Boolean(payload.response.key.key.key_hsm);
}

await makeAndShow();
await useRsa();
await useCurves();
await useAes();
await importAndRotate();
await theRest();
console.log(JSON.stringify(seen));
