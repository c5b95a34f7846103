// Drives every method of Azure's SecretClient, and deletion and backup of its KeyClient, against a vault. Its
// names lead to this computer, as a hosts file would have it. Prints what it saw as JSON.
import fs from "node:fs";
import { KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";
import { signIn } from "./sign_in.mjs";

const [tenant, client, secretFile, loginPort, vaultPort] = process.argv.slice(2);
const asked = []; // what the challenge made the clients ask for
const login = ["login.microsoftonline.com", loginPort];
const credential = signIn({ login, tenant, client, secret: fs.readFileSync(secretFile, "utf8") }, asked);
const url = (vault) => `https://${vault}.vault.azure.net:${vaultPort}`;
const refused = async (promise) => {
  try {
    await promise;
    return "accepted";
  } catch (error) {
    const check = /Check (\S+) failed/.exec(error.message); // these clients show no inner code
    return [error.statusCode, error.code, ...(check ? [check[1]] : [])].join(" ");
  }
};
const all = async (pages, field) => {
  const out = [];
  for await (const item of pages) out.push(item[field]);
  return out;
};
const fast = { intervalInMs: 50 };

async function secrets() {
  const seen = {};
  const client = new SecretClient(url("interop-kv"), credential);
  const tags = { use: "test" };
  const expiresOn = new Date(1000); // long ago, and no obstacle
  const first = await client.setSecret("js", "one", { tags, contentType: "text/plain", expiresOn });
  seen.set = [first.value, first.properties.tags, first.properties.contentType, first.properties.enabled];
  seen.recovery = [first.properties.recoveryLevel, first.properties.recoverableDays];
  seen.expiresOn = first.properties.expiresOn.getTime();
  const second = await client.setSecret("js", "two");
  seen.get = (await client.getSecret("js")).value;
  seen.getVersion = (await client.getSecret("js", { version: first.properties.version })).value;
  seen.previous = (await client.getSecret("js")).properties.previousVersion === first.properties.version;
  const updated = await client.updateSecretProperties("js", second.properties.version, {
    enabled: false,
    contentType: "changed",
    tags: { more: "tags" },
  });
  seen.updated = [updated.enabled, updated.contentType, updated.tags, updated.value ?? null];
  seen.disabled = await refused(client.getSecret("js"));
  await client.updateSecretProperties("js", second.properties.version, { enabled: true });
  seen.versions = (await all(client.listPropertiesOfSecretVersions("js"), "version")).length;
  for (let i = 0; i < 30; ++i) await client.setSecret(`js-many-${i}`, "x");
  seen.list = (await all(client.listPropertiesOfSecrets(), "name")).filter((name) => name.startsWith("js-many-")).length;
  seen.pages = 0;
  for await (const page of client.listPropertiesOfSecrets().byPage({ maxPageSize: 10 })) {
    if (page.length > 10) throw new Error("a long page");
    ++seen.pages;
  }

  const backup = await client.backupSecret("js");
  seen.restoreWhileThere = await refused(client.restoreSecretBackup(backup));
  const poller = await client.beginDeleteSecret("js", fast);
  const deleted = await poller.pollUntilDone();
  seen.deleted = [
    deleted.name,
    deleted.value ?? null,
    deleted.properties.recoveryId,
    (deleted.properties.scheduledPurgeDate - deleted.properties.deletedOn) / 86400000,
  ];
  seen.gone = await refused(client.getSecret("js"));
  seen.taken = await refused(client.setSecret("js", "three"));
  seen.restoreWhileDeleted = await refused(client.restoreSecretBackup(backup));
  seen.getDeleted = (await client.getDeletedSecret("js")).properties.recoveryId === deleted.properties.recoveryId;
  seen.listDeleted = await all(client.listDeletedSecrets(), "name");
  const recovering = await client.beginRecoverDeletedSecret("js", fast);
  seen.recovered = (await recovering.pollUntilDone()).name;
  seen.afterRecovery = (await client.getSecret("js")).value;
  await (await client.beginDeleteSecret("js", fast)).pollUntilDone();
  await client.purgeDeletedSecret("js");
  seen.purged = await refused(client.getDeletedSecret("js"));
  seen.restored = (await client.restoreSecretBackup(backup)).name;
  seen.afterRestore = (await client.getSecret("js")).value;
  seen.foreign = await refused(client.restoreSecretBackup(backup.map((byte, i) => (i === 99 ? byte ^ 1 : byte))));
  seen.tooLong = await refused(client.setSecret("js", "x".repeat(25601)));
  for (let i = 0; i < 30; ++i) await client.beginDeleteSecret(`js-many-${i}`, fast);
  seen.listManyDeleted = (await all(client.listDeletedSecrets(), "name")).length;

  const safe = new SecretClient(url("interop-safe"), credential);
  seen.protected = (await safe.setSecret("js", "one")).properties.recoveryLevel;
  await (await safe.beginDeleteSecret("js", fast)).pollUntilDone();
  seen.purgeProtected = await refused(safe.purgeDeletedSecret("js"));
  await (await safe.beginRecoverDeletedSecret("js", fast)).pollUntilDone();
  return seen;
}

async function keys() {
  const seen = {};
  const client = new KeyClient(url("interop-kv"), credential);
  const made = await client.createEcKey("js");
  const backup = await client.backupKey("js");
  seen.restoreWhileThere = await refused(client.restoreKeyBackup(backup));
  const deleted = await (await client.beginDeleteKey("js", fast)).pollUntilDone();
  seen.deleted = [
    deleted.name,
    deleted.properties.recoveryId,
    (deleted.properties.scheduledPurgeDate - deleted.properties.deletedOn) / 86400000,
  ];
  seen.gone = await refused(client.getKey("js"));
  seen.taken = await refused(client.createEcKey("js"));
  seen.getDeleted = (await client.getDeletedKey("js")).id === made.id;
  seen.listDeleted = await all(client.listDeletedKeys(), "name");
  const recovered = await (await client.beginRecoverDeletedKey("js", fast)).pollUntilDone();
  seen.recovered = recovered.id === made.id;
  await (await client.beginDeleteKey("js", fast)).pollUntilDone();
  await client.purgeDeletedKey("js");
  seen.purged = await refused(client.getDeletedKey("js"));
  const restored = await client.restoreKeyBackup(backup);
  seen.restored = restored.id === made.id && Buffer.compare(restored.key.x, made.key.x) === 0;
  seen.foreign = await refused(client.restoreKeyBackup(Buffer.from("no backup")));
  return seen;
}

const seen = { secrets: await secrets(), keys: await keys() };
seen.asked = [...new Set(asked.map(String))];
console.log(JSON.stringify(seen));
