import { html, raw } from "hono/html";
import type { AuthMethodName } from "../core/identity.ts";
import { DOCS_POLICY, DOCS_STYLE } from "../http/docs/style.ts";
import type { Route } from "../http/routes.ts";

/** What `GET /` responds where there is no demo page: what this service is, and where to go. */

const PROOFS: Readonly<Record<AuthMethodName, string>> = {
  oidc: "a token of an OpenID provider",
  "api-key": "an API key",
  dev: "a user name",
};

/** @param methods the authentication methods in use */
export function aboutRoute(methods: readonly AuthMethodName[]): Route {
  const proofs = methods.map((method) => PROOFS[method]).join(" or ");
  return {
    method: "GET",
    path: "/",
    handler(c) {
      c.header("Content-Security-Policy", DOCS_POLICY);
      c.header("Referrer-Policy", "no-referrer");
      return c.html(page(proofs));
    },
  };
}

const page = (proofs: string) => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>nats-mint</title>
<style>${raw(DOCS_STYLE)}</style>
</head>
<body>
<main>
<h1>nats-mint</h1>
<p>This service issues short-lived NATS credentials to programs and pages. It works, and it has no page to log in.</p>
<p>A page or a program requests a credential with <code>POST /creds</code> and ${proofs}. <a href="docs">The HTTP interface</a> describes the request and its responses.</p>
<p>There is a demo page here only while <code>MINT_AUTH</code> contains <code>dev</code>.</p>
</main>
</body>
</html>
`;
