// The unmodified `oauth4webapi` at a token endpoint, and its own look at our tokens (RFC 9068).
//
//   node oauth_client.mjs ISSUER FOLDER SECRET     prints one line a step
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const tools = createRequire(process.env.NODE_TOOLS + '/');
const oauth = await import(pathToFileURL(tools.resolve('oauth4webapi')).href);
const [issuer, folder, secret] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true };

const found = await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure });
const server = await oauth.processDiscoveryResponse(new URL(issuer), found);
console.log('discovered', server.grant_types_supported.length);

const app = { client_id: 'app' };
const basic = oauth.ClientSecretBasic(secret);
const pem = createPrivateKey(readFileSync(`${folder}/robot.pem`));
const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const der = pem.export({ type: 'pkcs8', format: 'der' });
const key = await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
const robot = { client_id: 'robot' };
const signed = oauth.PrivateKeyJwt({ key, kid: 'robot-1' });

let answer = await oauth.clientCredentialsGrantRequest(server, robot, signed, new URLSearchParams(), insecure);
let token = await oauth.processClientCredentialsResponse(server, robot, answer);
console.log('private_key_jwt', token.token_type, token.scope);

const login = new URLSearchParams({ username: 'ann', password: 'correct horse' });
answer = await oauth.genericTokenEndpointRequest(server, app, basic, 'password', login, insecure);
const user = await oauth.processGenericTokenEndpointResponse(server, app, answer);
console.log('password', user.scope);

const validated = async (access) => {
  const request = new Request('https://gate.example/', { headers: { authorization: `Bearer ${access}` } });
  return oauth.validateJwtAccessToken(server, request, issuer, insecure);
};
let claims = await validated(user.access_token);
console.log('rfc9068', claims.sub, claims.client_id);

const exchange = new URLSearchParams({
  subject_token: user.access_token,
  subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  scope: 'data:read',
});
const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
answer = await oauth.genericTokenEndpointRequest(server, robot, signed, grant, exchange, insecure);
token = await oauth.processGenericTokenEndpointResponse(server, robot, answer);
claims = await validated(token.access_token);
console.log('exchange', claims.sub, claims.act.sub, claims.scope);
const acting = { headers: { authorization: `Bearer ${token.access_token}` } };
console.log('acting', (await fetch(`${issuer}/document`, acting)).status);

answer = await oauth.refreshTokenGrantRequest(server, app, basic, user.refresh_token, insecure);
const next = await oauth.processRefreshTokenResponse(server, app, answer);
console.log('refresh', next.refresh_token !== user.refresh_token);

answer = await oauth.introspectionRequest(server, app, basic, token.access_token, insecure);
let about = await oauth.processIntrospectionResponse(server, app, answer);
console.log('introspection', about.active, about.act?.sub);
await oauth.processRevocationResponse(await oauth.revocationRequest(server, app, basic, next.refresh_token, insecure));
for (const access of [user.access_token, next.access_token, token.access_token]) {
  answer = await oauth.introspectionRequest(server, app, basic, access, insecure);
  about = await oauth.processIntrospectionResponse(server, app, answer);
  console.log('after revocation', about.active);
}
