// Reads and changes attestation policies and their signers with Azure's own client, its validation of
// tokens on, and verifies what the service signed with another library. The lab's names lead to this
// computer, as a hosts file would have it. Prints what it saw as JSON.
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, webcrypto } from "node:crypto";
import dns from "node:dns";
import fs from "node:fs";
import https from "node:https";
import { AttestationAdministrationClient, AttestationClient } from "@azure/attestation";
import * as jose from "jose";

globalThis.crypto ??= webcrypto; // the client counts on Node 20; Debian 12 has 18

const [tenant, clientId, secretFile, keyFile, certFile, otherKeyFile, otherCertFile, tpmFolder] = process.argv.slice(2);
const site = JSON.parse(fs.readFileSync(process.env.VOUCHSAFE_SITE));
const ports = Object.fromEntries(
  Object.entries(site.connect_to).map(([name, address]) => [name.replace(/:443$/, ""), address.split(":")[1]]),
);
dns.lookup = (host, options, done) => {
  const reply = typeof options === "function" ? options : done;
  return options?.all ? reply(null, [{ address: "127.0.0.1", family: 4 }]) : reply(null, "127.0.0.1", 4);
};

function post(host, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/x-www-form-urlencoded", "Content-Length": body.length };
    const request = https.request({ host, port: ports[host], path, method: "POST", headers }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function tokenFor(scope) {
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: fs.readFileSync(secretFile, "utf8"),
    scope,
  });
  const answer = await post("login.microsoftonline.com", `/${tenant}/oauth2/v2.0/token`, form.toString());
  if (!answer.access_token) throw new Error(`no access token: ${answer.error_description}`);
  return answer;
}

const host = "sharedweu.weu.attest.azure.net";
const endpoint = `https://${host}:${ports[host]}`;
const credential = {
  getToken: async (scopes) => {
    const answer = await tokenFor([scopes].flat()[0]);
    return { token: answer.access_token, expiresOnTimestamp: Date.now() + 1000 * answer.expires_in };
  },
};
const validationOptions = {
  validateToken: true,
  validateIssuer: true,
  expectedIssuer: `https://${host}`,
  validateExpirationTime: true,
  validateNotBeforeTime: true,
};
const administration = new AttestationAdministrationClient(endpoint, credential, { validationOptions });
const client = new AttestationClient(endpoint, { validationOptions });
const pem = (file) => fs.readFileSync(file, "utf8");
const [key, cert, otherKey, otherCert] = [keyFile, certFile, otherKeyFile, otherCertFile].map(pem);
const policy = 'version= 1.0; authorizationrules { [type=="x-ms-sevsnpvm-is-debuggable", value==false] => permit(); };';
const refused = async (promise) => {
  try {
    await promise;
    return "accepted";
  } catch (error) {
    return `${error.statusCode} ${error.code ?? error.details?.error?.code}`;
  }
};

const seen = {};
seen.issuer = (await client.getOpenIdMetadata()).issuer;
seen.signers = (await client.getAttestationSigners()).length;
seen.builtIn = (await administration.getPolicy("SevSnpVm")).body;
const set = await administration.setPolicy("SevSnpVm", policy);
seen.set = set.body.policyResolution;
seen.stored = (await administration.getPolicy("SevSnpVm")).body === policy;
seen.malformed = await refused(administration.setPolicy("SevSnpVm", "version= 1.0; authorizationrules { permit() };"));
const signed = await administration.setPolicy("SevSnpVm", policy, { privateKey: key, certificate: cert });
seen.signed = signed.body.policyResolution;
seen.signerKnown = signed.body.policySigner?.certificates?.length;
seen.reset = (await administration.resetPolicy("SevSnpVm")).body.policyResolution;
seen.backToBuiltIn = (await administration.getPolicy("SevSnpVm")).body === seen.builtIn;

// A machine with a TPM: both rounds. The TPM is one in software that tpm2-tools drive; nobody certified its key.
const init = JSON.stringify({ payload: { type: "aikcert" } });
seen.tpmWithoutPolicy = await refused(client.attestTpm(init));
await administration.setPolicy(
  "Tpm",
  'version=1.1; configurationrules { => issueproperty(type="require_valid_aik_cert", value=false); };' +
    "authorizationrules { => permit(); };",
);
const challenge = JSON.parse(await client.attestTpm(init)).payload;
const url = (bytes) => Buffer.from(bytes).toString("base64url");
const tpm = (tool, ...options) => execFileSync(tool, options, { cwd: tpmFolder, stdio: ["ignore", "ignore", "pipe"] });
tpm("tpm2_createek", "-Q", "-c", "ek.ctx", "-G", "rsa", "-u", "ek.pub");
tpm("tpm2_createak", "-Q", "-C", "ek.ctx", "-c", "ak.ctx", "-G", "rsa", "-g", "sha256", "-s", "rsassa", "-u", "ak.pem", "-f", "pem", "-n", "ak.name");
tpm("tpm2_flushcontext", "-t");
const requestKey = await jose.generateKeyPair("PS256");
const jwk = await jose.exportJWK(requestKey.publicKey);
const qualifying = createHash("sha256")
  .update(JSON.stringify(jwk))
  .update(Buffer.from([0]))
  .update(Buffer.from(challenge.challenge, "base64url"))
  .digest("hex");
tpm("tpm2_quote", "-Q", "-c", "ak.ctx", "-l", "sha256:all", "-q", qualifying, "-m", "quote", "-s", "signature");
tpm("tpm2_pcrread", "-Q", "sha256:all", "-o", "pcrs");
const file = (name) => fs.readFileSync(`${tpmFolder}/${name}`);
const values = Array.from({ length: 24 }, (_, index) => ({ index, digest: url(file("pcrs").subarray(32 * index, 32 * (index + 1))) }));
const current = {
  logs: [],
  aik_pub: createPublicKey(file("ak.pem")).export({ format: "jwk" }),
  pcrs: [{ algorithm: 11, values }],
  quote: url(file("quote")),
  signature: url(file("signature")),
};
const data = {
  ...challenge,
  tpm_att_data: { current_attestation: current },
  request_key: { jwk, info: { tpm_quote: { hash_alg: "sha-256" } } },
};
const signedRequest = await new jose.CompactSign(Buffer.from(JSON.stringify({ att_type: "basic", att_data: data })))
  .setProtectedHeader({ alg: "PS256", typ: "attReqV2" })
  .sign(requestKey.privateKey);
const message = JSON.stringify({ payload: { request: signedRequest } });
const report = JSON.parse(await client.attestTpm(message)).payload.report;
seen.tpmAgain = await refused(client.attestTpm(message));
await administration.resetPolicy("Tpm");

seen.noCertificates = (await administration.getPolicyManagementCertificates()).body.length;
seen.added = (await administration.addPolicyManagementCertificate(cert, key, cert)).body.certificateResolution;
seen.byStranger = await refused(administration.addPolicyManagementCertificate(otherCert, otherKey, otherCert));
seen.addedByFirst = (await administration.addPolicyManagementCertificate(otherCert, key, cert)).body.certificateResolution;
seen.certificates = (await administration.getPolicyManagementCertificates()).body.length;
seen.removed = (await administration.removePolicyManagementCertificate(cert, otherKey, otherCert)).body.certificateResolution;
seen.last = await refused(administration.removePolicyManagementCertificate(otherCert, otherKey, otherCert));

const access = (await tokenFor("https://attest.azure.net/.default")).access_token;
const get = (path, headers = {}) =>
  new Promise((resolve, reject) => {
    https.get({ host, port: ports[host], path, headers }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve({ status: answer.statusCode, body: JSON.parse(text) }));
    }).on("error", reject);
  });
const keys = jose.createLocalJWKSet((await get("/certs")).body);
const raw = await get("/policies/SevSnpVm?api-version=2020-10-01", { Authorization: `Bearer ${access}` });
const machine = (await jose.jwtVerify(report, keys, { issuer: `https://${host}` })).payload;
seen.tpm = [machine["x-ms-attestation-type"], machine.aikValidated, machine["x-vouchsafe-trust-tier"], machine.cnf.jwk.n === jwk.n];
seen.jose = (await jose.jwtVerify(raw.body.token, keys, { issuer: `https://${host}` })).protectedHeader.alg;
seen.withoutToken = (await get("/policies/SevSnpVm?api-version=2020-10-01")).status;
seen.baselines = (await get("/tcbbaselines/SevSnpVm?api-version=2025-06-01")).body.tcbBaselines.length;
console.log(JSON.stringify(seen));
