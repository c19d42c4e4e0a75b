// An OpenID Provider on loopback where people log in: the certified library `oidc-provider`, with open
// registration, PKCE and tokens that are meant for one address (RFC 8707).
//
//   node people.mjs          prints `listening on URL`
//
// Whoever asks logs in: its pages are those that the library has for developers.
import http from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Packages are where the tests put them, not beside this file.
const tools = createRequire(process.env.NODE_TOOLS + '/');
const load = async (name) => import(pathToFileURL(tools.resolve(name)).href);
const { generateKeyPair, exportJWK } = await load('jose');
const { Provider } = await load('oidc-provider');

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'people' };

const server = http.createServer((request, response) => answer(request, response));
let answer;
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    clients: [],
    scopes: ['openid', 'offline_access', 'mcp:tools', 'mcp:admin'],
    cookies: { keys: ['loopback-test-only'] },
    clientAuthMethods: ['none'],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: true },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_ctx, resource) => ({
          scope: 'mcp:tools mcp:admin', audience: resource, accessTokenTTL: 300, accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  });
  answer = provider.callback();
  console.log(`listening on ${issuer}`);
});
