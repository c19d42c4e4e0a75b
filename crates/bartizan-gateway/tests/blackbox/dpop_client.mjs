// A client that knows DPoP by `oauth4webapi`, and nothing of the gateway: gets a bound token and calls.
//
//   node dpop_client.mjs ISSUER GATEWAY-ADDRESS     prints the status of each call
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const tools = createRequire(process.env.NODE_TOOLS + '/');
const oauth = await import(pathToFileURL(tools.resolve('oauth4webapi')).href);

const [issuer, address] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true };
const found = await oauth.discoveryRequest(new URL(issuer), insecure);
const server = await oauth.processDiscoveryResponse(new URL(issuer), found);
const client = { client_id: 'bound' };
const auth = oauth.ClientSecretBasic('bound-secret');
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
const parameters = new URLSearchParams({ resource: 'http://gate.test/ES256', scope: 'data:read' });
const answer = await oauth.clientCredentialsGrantRequest(server, client, auth, parameters, { DPoP, ...insecure });
const { access_token, token_type } = await oauth.processClientCredentialsResponse(server, client, answer);
console.log(token_type);

// The gateway is known to its clients by another name than the one that leads there in the test.
const there = (url, init) => fetch(url.replace('https://gate.example', `http://${address}`), init);
const call = (method) => oauth.protectedResourceRequest(
  access_token, method, new URL('https://gate.example/documents/a%20b?x=1'), new Headers(), null,
  { DPoP, [oauth.customFetch]: there },
);
for (const method of ['GET', 'GET', 'SUMMARIZE']) {
  try {
    console.log((await call(method)).status);
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) {
      console.log(error.code ?? error.name, error.status, error.cause?.[0]?.parameters?.error ?? error.message);
      continue;
    }
    console.log('nonce', (await call(method)).status);
  }
}
