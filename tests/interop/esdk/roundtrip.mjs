// Seals or opens one file with the AWS Encryption SDK for JavaScript, so that our sealed files can
// be compared with somebody else's program in both directions.
//
//   npm ci
//   node roundtrip.mjs seal --key PUBLIC.pem --name KEY_ID --in PLAIN --out SEALED
//                           [--frame-length N] [--context NAME=VALUE ...]
//   node roundtrip.mjs open --key PRIVATE.pem --name KEY_ID --in SEALED --out PLAIN
//                           [--context NAME=VALUE ...]
//
// The key is an RSA key in PEM form, used with RSA-OAEP and SHA-256; KEY_ID is the provider
// information, --namespace (default "vouchsafe") the provider id. `open` prints what it found in the
// header as one line of JSON and fails unless every --context entry is in the encryption context.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import {
  AlgorithmSuiteIdentifier,
  CommitmentPolicy,
  RawRsaKeyringNode,
  buildClient,
} from '@aws-crypto/client-node'

const suite = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY
const client = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    key: { type: 'string' },
    name: { type: 'string' },
    namespace: { type: 'string', default: 'vouchsafe' },
    in: { type: 'string' },
    out: { type: 'string' },
    'frame-length': { type: 'string', default: '4096' },
    context: { type: 'string', multiple: true, default: [] },
  },
})

function contextOf(entries) {
  return Object.fromEntries(entries.map((entry) => entry.split(/=(.*)/s).slice(0, 2)))
}

function keyring(rsaKey) {
  return new RawRsaKeyringNode({
    keyName: values.name,
    keyNamespace: values.namespace,
    rsaKey,
    oaepHash: 'sha256',
  })
}

async function seal() {
  const { result } = await client.encrypt(
    keyring({ publicKey: readFileSync(values.key, 'utf8') }),
    readFileSync(values.in),
    {
      suiteId: suite,
      frameLength: Number(values['frame-length']),
      encryptionContext: contextOf(values.context),
    },
  )
  writeFileSync(values.out, result)
}

async function open() {
  const { plaintext, messageHeader } = await client.decrypt(
    keyring({ privateKey: readFileSync(values.key, 'utf8') }),
    readFileSync(values.in),
  )
  for (const [name, value] of Object.entries(contextOf(values.context))) {
    if (messageHeader.encryptionContext[name] !== value) {
      throw new Error(`the encryption context has no ${name}=${value}`)
    }
  }
  writeFileSync(values.out, plaintext)
  const found = {
    version: messageHeader.version,
    suite: messageHeader.suiteId.toString(16).padStart(4, '0'),
    frameLength: messageHeader.frameLength,
    context: messageHeader.encryptionContext,
    keys: messageHeader.encryptedDataKeys.map((key) => [key.providerId, key.providerInfo]),
  }
  console.log(JSON.stringify(found))
}

const actions = { seal, open }
const action = actions[positionals[0]]
if (!action || !values.key || !values.name || !values.in || !values.out) {
  console.error('usage: see the first lines of this file')
  process.exit(2)
}
try {
  await action()
} catch (error) {
  console.error(`${positionals[0]}: ${error.message}`)
  process.exit(1)
}
