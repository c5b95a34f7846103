// Reads and changes attestation policies and their signers with Azure's own client, its validation of
// tokens on, and verifies what the service signed with another library. The lab's names lead to this
// computer, as a hosts file would have it. Prints what it saw as JSON.
import { webcrypto } from "node:crypto";
import dns from "node:dns";
import fs from "node:fs";
import https from "node:https";
import { AttestationAdministrationClient, AttestationClient } from "@azure/attestation";
import * as jose from "jose";

globalThis.crypto ??= webcrypto; // the client counts on Node 20; Debian 12 has 18

const [tenant, clientId, secretFile, keyFile, certFile, otherKeyFile, otherCertFile] = process.argv.slice(2);
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

// The first round for a machine with a TPM; the second needs one.
const init = JSON.stringify({ payload: { type: "aikcert" } });
seen.tpmWithoutPolicy = await refused(client.attestTpm(init));
await administration.setPolicy("Tpm", "version=1.0; authorizationrules { => permit(); };");
seen.tpm = Object.keys(JSON.parse(await client.attestTpm(init)).payload).sort();
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
seen.jose = (await jose.jwtVerify(raw.body.token, keys, { issuer: `https://${host}` })).protectedHeader.alg;
seen.withoutToken = (await get("/policies/SevSnpVm?api-version=2020-10-01")).status;
seen.baselines = (await get("/tcbbaselines/SevSnpVm?api-version=2025-06-01")).body.tcbBaselines.length;
console.log(JSON.stringify(seen));
