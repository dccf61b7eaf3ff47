/**
 * The text of a `.creds` file, which `nats --creds` and every client read. Five dashes before BEGIN and six before END,
 * the final newline and bare line feeds are the official format (`creds_utils.go` of github.com/nats-io/jwt/v2).
 */
export function formatCreds(jwt: string, seed: string): string {
  return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
}
