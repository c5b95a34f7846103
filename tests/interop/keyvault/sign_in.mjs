// What every script here needs: host names that lead to this computer, as a hosts file would have it, and a credential
// that signs an application in as any OAuth client would.
import { webcrypto } from "node:crypto";
import dns from "node:dns";
import https from "node:https";

globalThis.crypto ??= webcrypto; // the clients count on Node 20; Debian 12 has 18

dns.lookup = (host, options, done) => {
  const reply = typeof options === "function" ? options : done;
  return options?.all ? reply(null, [{ address: "127.0.0.1", family: 4 }]) : reply(null, "127.0.0.1", 4);
};

function post(host, port, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/x-www-form-urlencoded", "Content-Length": body.length };
    const request = https.request({ host, port, path, method: "POST", headers }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", reject);
    request.end(body);
  });
}

// signIn makes the credential of an application. `login` is host and port of the token issuer. `asked` gets what the
// challenge made the clients ask for: scope and tenant.
export function signIn({ login, tenant, client, secret }, asked = []) {
  return {
    getToken: async (scopes, options) => {
      const scope = [scopes].flat()[0];
      asked.push([scope, options?.tenantId]);
      const form = new URLSearchParams({
        grant_type: "client_credentials",
        client_id: client,
        client_secret: secret,
        scope,
      });
      const answer = await post(...login, `/${tenant}/oauth2/v2.0/token`, form.toString());
      if (!answer.access_token) throw new Error(`no access token: ${answer.error_description}`);
      return { token: answer.access_token, expiresOnTimestamp: Date.now() + 1000 * answer.expires_in };
    },
  };
}
