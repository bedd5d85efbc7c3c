// A real OpenID provider for the test of the login: npm's oidc-provider, with its own pages for login and consent.
//   node provider.mjs MODULES PORT REDIRECT_URI CLIENT_SECRET
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, port, redirect, secret] = process.argv.slice(2);
const require = createRequire(`${modules}/node_modules/`);
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const people = {
  ana: { email: 'ana@example.org', email_verified: true, name: 'Ana Reyes' },
  mallory: { email: 'mallory@example.org', email_verified: true, name: 'Mallory' },
  impostor: { email: 'ana@example.org', email_verified: false, name: 'Ana Reyes' },
};
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: 'firestation', client_secret: secret, redirect_uris: [redirect] }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  cookies: { keys: ['only of this test'] },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
});
provider.on('server_error', (_, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log(`ready at ${issuer}`));
