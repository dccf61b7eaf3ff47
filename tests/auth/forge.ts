import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

/** Makes valid and invalid tokens byte by byte: a library would refuse to make the invalid ones. */

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** The issuer's keys, by the `kid` under which they are published. */
export const pairs = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  "other rsa": generateKeyPairSync("rsa", { modulusLength: 2048 }),
  "weak rsa": generateKeyPairSync("rsa", { modulusLength: 1024 }),
  "encryption rsa": generateKeyPairSync("rsa", { modulusLength: 2048 }),
  "only PS256": generateKeyPairSync("rsa", { modulusLength: 2048 }),
  "p-256": generateKeyPairSync("ec", { namedCurve: "P-256" }),
  "p-384": generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ed25519: generateKeyPairSync("ed25519"),
} satisfies Record<string, Pair>;

/** A key that the issuer does not have. */
export const untrustedPair: Pair = generateKeyPairSync("rsa", { modulusLength: 2048 });

export const publicJwk = ({ publicKey }: Pair) => publicKey.export({ format: "jwk" });

export const jwks = {
  keys: Object.entries(pairs).map(([kid, pair]) => ({
    ...publicJwk(pair),
    kid,
    ...(kid === "encryption rsa" && { use: "enc" }),
    ...(kid === "only PS256" && { alg: "PS256" }),
  })),
};

type Signer = (input: Buffer) => Buffer;

const pss = (hash: string, privateKey: KeyObject): Signer => {
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
  return (input) =>
    sign(hash, input, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
};

export const signers = {
  rsa:
    (hash: string, { privateKey }: Pair): Signer =>
    (input) =>
      sign(hash, input, privateKey),
  rs256:
    ({ privateKey }: Pair): Signer =>
    (input) =>
      sign("sha256", input, privateKey),
  rs512:
    ({ privateKey }: Pair): Signer =>
    (input) =>
      sign("sha512", input, privateKey),
  ps256: ({ privateKey }: Pair): Signer => pss("sha256", privateKey),
  ec:
    (hash: string, { privateKey }: Pair, dsaEncoding: "ieee-p1363" | "der" = "ieee-p1363"): Signer =>
    (input) =>
      sign(hash, input, { key: privateKey, dsaEncoding }),
  ed25519:
    ({ privateKey }: Pair): Signer =>
    (input) =>
      sign(null, input, privateKey),
  hmac:
    (hash: string, secret: string | Buffer): Signer =>
    (input) =>
      createHmac(hash, secret).update(input).digest(),
  bytes:
    (bytes: Buffer): Signer =>
    () =>
      bytes,
};

export const base64url = (data: string | Buffer) => Buffer.from(data).toString("base64url");

export interface Parts {
  /** As objects, or as the JSON or bytes to be encoded. */
  readonly header: object | string | Buffer;
  readonly claims: object | string | Buffer;
  readonly signer: Signer;
}

export function forge({ header, claims, signer }: Parts): string {
  const encode = (part: object | string | Buffer) =>
    base64url(typeof part === "string" || Buffer.isBuffer(part) ? part : JSON.stringify(part));
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${base64url(signer(Buffer.from(input)))}`;
}
