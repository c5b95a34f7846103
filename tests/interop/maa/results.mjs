// Has a machine's evidence appraised in every form of result, and verifies each with jose. Prints
// what it saw as JSON.
import { webcrypto } from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import * as jose from "jose";

globalThis.crypto ??= webcrypto; // Debian 12 has Node 18

const evidence = JSON.parse(fs.readFileSync(process.argv[2])).IsolationInfo.Evidence;
const site = JSON.parse(fs.readFileSync(process.env.VOUCHSAFE_SITE));
const host = "sharedweu.weu.attest.azure.net";
const port = site.connect_to[`${host}:443`].split(":")[1];

function ask(method, path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", servername: host, port, path, method, headers };
    const request = https.request(options, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve({ status: answer.statusCode, type: answer.headers["content-type"], text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const url = (text) => text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const report = Buffer.from(Buffer.from(evidence.Proof, "base64").toString()).toString("base64url");
const request = { report, runtimeData: { data: url(evidence.RunTimeData), dataType: "JSON" } };
const attest = (query, headers, more = {}) =>
  ask("POST", `/attest/SevSnpVm?api-version=2025-06-01${query}`, JSON.stringify({ ...request, ...more }), headers);

const keys = jose.createLocalJWKSet(JSON.parse((await ask("GET", "/certs")).text));
const verified = async (token) => (await jose.jwtVerify(token, keys, { issuer: `https://${host}` })).payload;

const seen = {};
const plain = await verified(JSON.parse((await attest("")).text).token);
seen.plain = plain["x-ms-attestation-type"];
const ear = await verified(JSON.parse((await attest("&format=ear")).text).token);
seen.ear = [ear.eat_profile, ear.submods.sevsnpvm["ear.status"], plain["x-ms-policy-hash"] === ear.submods.sevsnpvm["ear.appraisal-policy-id"]];
const bare = await attest("", { Accept: "application/eat+jwt" });
seen.bare = [bare.type, (await verified(bare.text)).eat_profile];
const draft = { draftPolicyForAttestation: "version=1.0; authorizationrules { => permit(); };" };
const unsigned = JSON.parse((await attest("", {}, draft)).text).token;
seen.draft = jose.decodeProtectedHeader(unsigned).alg;
seen.draftVerifies = await verified(unsigned).then(
  () => true,
  () => false,
);
seen.otherFormat = (await attest("&format=xml")).status;
console.log(JSON.stringify(seen));
