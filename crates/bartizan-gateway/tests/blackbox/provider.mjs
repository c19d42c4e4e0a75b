// An OpenID Provider on loopback: the certified library `oidc-provider`, with a way to turn its keys.
//
//   node provider.mjs          prints `listening on URL`
//
// A token's resource says how it is made: http://gate.test/RS256, /ES256, /EdDSA, /opaque. The client `gateway`
// may get one for the service behind it in exchange for an opaque one (RFC 8693).
// For tests only: POST /_test/publish adds new keys behind those that sign, /_test/switch signs with the
// newest, /_test/retire drops all others, /_test/rotate does all three at once; /_test/down and /_test/up;
// GET /_test/stats counts requests by path; /_test/proof?htm&htu&token&nonce&jti&iat makes a DPoP proof.
import http from 'node:http';
import crypto from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Packages are where the tests put them, not beside this file.
const tools = createRequire(process.env.NODE_TOOLS + '/');
const load = async (name) => import(pathToFileURL(tools.resolve(name)).href);
const { generateKeyPair, exportJWK, calculateJwkThumbprint, SignJWT } = await load('jose');
const { Provider, errors } = await load('oidc-provider');

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];

async function generation() {
  return Promise.all(ALGORITHMS.map(async (alg) => {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(privateKey)), alg, use: 'sig' };
    return { ...jwk, kid: (await calculateJwkThumbprint(jwk)).slice(0, 16) };
  }));
}

// The first generation signs.
let generations = [await generation()];
let issuer, answer, down = false;
const stats = {};

function resourceServer(_ctx, indicator) {
  const format = new URL(indicator).pathname.slice(1);
  const common = { scope: 'data:read data:write', audience: indicator, accessTokenTTL: 300 };
  if (format === 'opaque') return { ...common, accessTokenFormat: 'opaque' };
  return { ...common, accessTokenFormat: 'jwt', jwt: { sign: { alg: format } } };
}

const client = (client_id, more) => ({
  client_id, client_secret: `${client_id}-secret`, grant_types: ['client_credentials'], redirect_uris: [],
  response_types: [], scope: 'data:read data:write', ...more,
});

function turn() {
  const provider = new Provider(issuer, {
    jwks: { keys: generations.flat() },
    clients: [
      client('svc'), client('bound', { dpop_bound_access_tokens: true }), client('gateway', { scope: undefined, grant_types: [EXCHANGE] }),
    ],
    scopes: ['data:read', 'data:write'],
    cookies: { keys: ['loopback-test-only'] },
    enabledJWA: { dPoPSigningAlgValues: ['ES256'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_ctx, who) => who.clientId === 'gateway' },
      revocation: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => false },
      resourceIndicators: {
        enabled: true, useGrantedResource: () => true, getResourceServerInfo: resourceServer,
        defaultResource: () => 'http://gate.test/RS256',
      },
    },
    extraTokenClaims: () => ({ tenant: 'acme', realm_access: { roles: ['service', 'admin'] } }),
    renderError: (ctx, out) => { ctx.type = 'json'; ctx.body = out; },
  });
  const names = ['subject_token', 'subject_token_type', 'requested_token_type', 'scope', 'resource', 'audience'];
  provider.registerGrantType(EXCHANGE, async (ctx) => {
    const { params: { subject_token: shown, resource, scope }, client: actor } = ctx.oidc;
    const known = await provider.ClientCredentials.find(shown);
    if (!known?.isValid) throw new errors.InvalidGrant('the subject token is not known');
    const token = new provider.ClientCredentials({ client: await provider.Client.find(known.clientId), scope });
    token.resourceServer = new provider.ResourceServer(resource, resourceServer(ctx, resource));
    token.extra = { act: { sub: actor.clientId } };
    ctx.body = {
      access_token: await token.save(), expires_in: token.expiration, token_type: 'Bearer', scope,
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    };
  }, names);
  answer = provider.callback();
}

const prover = await generateKeyPair('ES256', { extractable: true });
const jwk = await exportJWK(prover.publicKey);

async function proof(query) {
  const { htm, htu, token, nonce, jti, iat } = Object.fromEntries(query);
  const ath = token && crypto.createHash('sha256').update(token).digest('base64url');
  const claims = { htm, htu, jti: jti ?? crypto.randomUUID(), ...(ath && { ath }), ...(nonce && { nonce }) };
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
    .setIssuedAt(iat ? Number(iat) : undefined).sign(prover.privateKey);
}

const control = {
  publish: async () => { generations.push(await generation()); turn(); },
  switch: async () => { generations.unshift(generations.pop()); turn(); },
  retire: async () => { generations.length = 1; turn(); },
  rotate: async () => { generations = [await generation()]; turn(); },
  down: async () => { down = true; },
  up: async () => { down = false; },
  stats: async () => JSON.stringify(stats),
  proof,
};

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://127.0.0.1');
  const [, test, command] = url.pathname.match(/^\/(_test)\/(\w+)$/) ?? [];
  if (test) return response.end(await control[command](url.searchParams) ?? 'done');
  stats[url.pathname] = (stats[url.pathname] ?? 0) + 1;
  if (down) return request.socket.destroy();
  return answer(request, response);
});
server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  turn();
  console.log(`listening on ${issuer}`);
});
