import { createHash, generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { Provider } from "oidc-provider";
import { freePorts } from "../ports.ts";

/**
 * A real OpenID provider on this machine. It logs in every user without a password, and signs access tokens for an API
 * and ID tokens for a page. No token is made by test code.
 */
export interface OpenIdProvider {
  readonly issuer: string;
  /** The number of fetches of each document. */
  readonly fetches: { readonly keys: number; readonly discovery: number };
  /** By the client credentials grant; `sub` is the client's name. */
  accessToken(lifetime?: number): Promise<string>;
  /** By the authorization code flow, for a user with this name. */
  idToken(user: string, lifetime?: number): Promise<string>;
  /** Publishes other keys from now on, and signs with the first. */
  use(keys: readonly SigningKey[]): void;
  /** Refuses connections until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export type SigningKey = Record<string, unknown> & { readonly kid: string };

/** The API that access tokens are for, and the page that ID tokens are for. */
export const API = "https://mint.test/api";
export const PAGE = "page";
export const KEYS_PATH = "/jwks";

const DISCOVERY_PATH = "/.well-known/openid-configuration";
const CALLBACK = "https://page.test/callback";
const SECRET = randomUUID();

export function signingKey(kid: string = randomUUID()): SigningKey {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" };
}

export async function startProvider(keys: readonly SigningKey[] = [signingKey()]): Promise<OpenIdProvider> {
  const fetches = { keys: 0, discovery: 0 };
  const accessLifetimes: number[] = [];
  const idLifetimes: number[] = [];
  let provider: Provider;
  let server: Server;
  const [port] = await freePorts(1);

  async function start(): Promise<void> {
    server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://localhost");
      if (pathname === KEYS_PATH) fetches.keys++;
      if (pathname === DISCOVERY_PATH) fetches.discovery++;
      if (!pathname.startsWith("/login/")) return provider.callback()(request, response);
      const login = { accountId: decodeURIComponent(pathname.slice("/login/".length)) };
      return provider.interactionFinished(request, response, { login });
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  }

  async function stop(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  function use(keys: readonly SigningKey[]): void {
    provider = new Provider(issuer, {
      jwks: { keys },
      clients: [
        {
          client_id: PAGE,
          client_secret: SECRET,
          redirect_uris: [CALLBACK],
          grant_types: ["authorization_code", "client_credentials"],
        },
      ],
      cookies: { keys: [randomUUID()] },
      ttl: {
        AccessToken: 300,
        AuthorizationCode: 60,
        ClientCredentials: (_: unknown, token: { resourceServer: { accessTokenTTL: number } }) =>
          token.resourceServer.accessTokenTTL,
        Grant: 600,
        IdToken: () => idLifetimes.shift() ?? 300,
        Interaction: 60,
        Session: 600,
      },
      findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
      // Consent is granted without a prompt.
      loadExistingGrant: async ({ oidc }: { oidc: Consent }) => {
        const grant = new oidc.provider.Grant({
          clientId: oidc.client.clientId,
          accountId: oidc.session.accountId,
        });
        grant.addOIDCScope("openid");
        await grant.save();
        return grant;
      },
      interactions: {
        url: (_: unknown, interaction: { params: { login_hint: string } }) =>
          `/login/${encodeURIComponent(interaction.params.login_hint)}`,
      },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({
            audience: API,
            scope: "mint",
            accessTokenFormat: "jwt",
            accessTokenTTL: accessLifetimes.shift() ?? 300,
          }),
        },
      },
    });
  }

  async function token(grant: Record<string, string>): Promise<Record<string, string>> {
    const response = await fetch(`${issuer}/token`, {
      method: "POST",
      headers: { Authorization: `Basic ${btoa(`${PAGE}:${SECRET}`)}` },
      body: new URLSearchParams(grant),
    });
    const body = (await response.json()) as Record<string, string>;
    if (!response.ok) throw new Error(`the provider refused: ${JSON.stringify(body)}`);
    return body;
  }

  await start();
  const issuer = `http://127.0.0.1:${port}`;
  use(keys);

  return {
    issuer,
    fetches,
    use,
    stop,
    start,
    async accessToken(lifetime = 300) {
      accessLifetimes.push(lifetime);
      const { access_token } = await token({
        grant_type: "client_credentials",
        resource: API,
        scope: "mint",
      });
      return access_token as string;
    },
    async idToken(user, lifetime = 300) {
      const verifier = randomBytes(32).toString("base64url");
      const query = new URLSearchParams({
        client_id: PAGE,
        response_type: "code",
        scope: "openid",
        redirect_uri: CALLBACK,
        login_hint: user,
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
        code_challenge_method: "S256",
      });
      const callback = await follow(`${issuer}/auth?${query}`);
      const code = callback.searchParams.get("code");
      if (!code) throw new Error(`the provider refused: ${callback}`);
      idLifetimes.push(lifetime);
      const grant = {
        grant_type: "authorization_code",
        code,
        redirect_uri: CALLBACK,
        code_verifier: verifier,
      };
      return (await token(grant)).id_token as string;
    },
  };
}

interface Consent {
  provider: { Grant: new (of: object) => { addOIDCScope(scope: string): void; save(): Promise<string> } };
  client: { clientId: string };
  session: { accountId: string };
}

/** Follows redirects with cookies, as a browser does, until the URL is that of the page. */
async function follow(start: string): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = new URL(start);
  while (!url.href.startsWith(CALLBACK)) {
    const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
    const response = await fetch(url, { redirect: "manual", headers: { Cookie: cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (name) cookies.set(name, value ?? "");
    }
    const location = response.headers.get("Location");
    if (!location) throw new Error(`the provider responded ${response.status}: ${await response.text()}`);
    url = new URL(location, url);
  }
  return url;
}
