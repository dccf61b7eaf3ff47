import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** An OpenID issuer on this machine, which is not measured itself: discovery, its key, and tokens. */
export interface Issuer extends AsyncDisposable {
  readonly url: string;
  /** Writes `count` different tokens to a file, one per line. */
  writeTokens(file: string, count: number): Promise<void>;
}

export const AUDIENCE = "nats";

const ALGORITHM = "RS256";
const BATCH = 200;

export async function startIssuer(): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { modulusLength: 2048 });
  const key = { ...(await exportJWK(publicKey)), kid: "bench", use: "sig", alg: ALGORITHM };
  const server: Bun.Server<undefined> = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    routes: {
      "/.well-known/openid-configuration": () =>
        Response.json({
          issuer: url,
          jwks_uri: `${url}/jwks`,
          id_token_signing_alg_values_supported: [ALGORITHM],
        }),
      "/jwks": () => Response.json({ keys: [key] }),
    },
  });
  const url: string = `http://127.0.0.1:${server.port}`;

  // Claims that providers usually include.
  const token = (name: string) =>
    new SignJWT({
      name: `User ${name}`,
      email: `${name}@example.com`,
      email_verified: true,
      scope: "openid",
    })
      .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, typ: "JWT" })
      .setIssuer(url)
      .setAudience(AUDIENCE)
      .setSubject(name)
      .setIssuedAt()
      .setExpirationTime("2h")
      .sign(privateKey);

  return {
    url,
    async writeTokens(file, count) {
      const out = createWriteStream(file, { mode: 0o600 });
      for (let first = 0; first < count; first += BATCH) {
        const length = Math.min(BATCH, count - first);
        const some = await Promise.all(Array.from({ length }, (_, i) => token(`user-${first + i}`)));
        out.write(`${some.join("\n")}\n`);
      }
      out.end();
      await finished(out);
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}
