import { z } from "@hono/zod-openapi";
import { html, raw } from "hono/html";
import type { Route } from "../routes.ts";
import type { Document } from "./openapi.ts";
import { REQUEST_ID } from "./operation.ts";
import { DOCS_POLICY, DOCS_STYLE } from "./style.ts";

/**
 * The OpenAPI document as an HTML page without scripts, which loads nothing from elsewhere. The usual viewers are
 * megabytes of script, which would run with access to the service's origin.
 */

type Html = ReturnType<typeof html>;

/** The parts of a schema that the page shows. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly propertyNames?: Schema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maxProperties?: number;
}

interface Header {
  readonly description?: string;
}

interface ResponseObject {
  readonly description: string;
  readonly headers?: Readonly<Record<string, Header>>;
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}

interface OperationObject {
  readonly summary?: string;
  readonly description?: string;
  readonly operationId?: string;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> };
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

interface Scheme {
  readonly bearerFormat?: string;
  readonly description?: string;
}

/** `GET /docs`: the OpenAPI document as a page. */
export function docsRoute(document: () => Document): Route {
  return {
    method: "GET",
    path: "/docs",
    handler(c) {
      c.header("Content-Security-Policy", DOCS_POLICY);
      c.header("Referrer-Policy", "no-referrer");
      return c.html(page(document()));
    },
    operation: () => ({
      operationId: "getDocs",
      summary: "This document as a page",
      responses: {
        200: { description: "A page", headers: REQUEST_ID, content: { "text/html": { schema: z.string() } } },
      },
    }),
  };
}

function page({ info, paths = {}, components = {} }: Document): Html {
  const schemes = Object.entries((components.securitySchemes ?? {}) as Record<string, Scheme>);
  const schemas = (components.schemas ?? {}) as Record<string, Schema>;
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item as Record<string, OperationObject>).map(([method, operation]) => ({
      path,
      method,
      operation,
    })),
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${info.title}: the HTTP interface</title>
<style>${raw(DOCS_STYLE)}</style>
</head>
<body>
<header>
<h1>${info.title} <small>${info.version}</small></h1>
<p>${marked(info.description)} <a href="openapi.json">The same as OpenAPI 3.1</a>.</p>
</header>
<nav aria-label="Paths"><ul>${operations.map(
    ({ path, method, operation: { operationId } }) =>
      html`<li><a href="#${operationId}">${verb(method)} <code>${path}</code></a></li>`,
  )}</ul></nav>
<main>
${schemes.length > 0 ? logins(schemes) : ""}
${operations.map(({ path, method, operation }) => section(path, method, operation, schemas))}
</main>
</body>
</html>`;
}

function logins(schemes: readonly [string, Scheme][]): Html {
  return html`<section aria-labelledby="login"><h2 id="login">Authentication</h2>
<p>Send the token or key in the header <code>Authorization: Bearer …</code>.</p>
<dl>${schemes.map(
    ([name, { bearerFormat, description }]) =>
      html`<dt>${bearerFormat ?? name}</dt><dd>${marked(description)}</dd>`,
  )}</dl></section>`;
}

function section(
  path: string,
  method: string,
  operation: OperationObject,
  schemas: Record<string, Schema>,
): Html {
  const { operationId, summary, description, requestBody, responses } = operation;
  const bodies = Object.entries(requestBody?.content ?? {});
  return html`<section aria-labelledby="${operationId}">
<h2 id="${operationId}">${verb(method)} <code>${path}</code></h2>
<p>${summary}. ${marked(description)}</p>
${bodies.map(([type, { schema }]) => html`<h3>Request: <code>${type}</code></h3>${fields(schema, schemas)}`)}
<h3>Responses</h3>
${Object.entries(responses).map(([status, described]) => response(status, described, schemas))}
</section>`;
}

function response(
  status: string,
  { description, headers = {}, content = {} }: ResponseObject,
  schemas: Record<string, Schema>,
): Html {
  const types = Object.entries(content);
  const codes = types.flatMap(([, { schema }]) => schema?.properties?.code?.enum ?? []);
  const shapes = types.filter(([type]) => type === "application/json");
  return html`<details${status === "200" ? raw(" open") : ""}>
<summary><b>${status}</b> ${codes.length > 0 ? codes.map((code) => html`<code>${String(code)}</code> `) : description}</summary>
<p>${codes.length > 0 ? `${description}.` : ""} ${types.map(([type]) => html`<code>${type}</code> `)}</p>
${shapes.map(([, { schema }]) => fields(schema, schemas))}
<dl>${Object.entries(headers).map(
    ([name, header]) => html`<dt><code>${name}</code></dt><dd>${marked(header.description)}</dd>`,
  )}</dl>
</details>`;
}

/** The fields of an object, with those of nested objects. */
function fields(schema: Schema | undefined, schemas: Record<string, Schema>): Html | string {
  const { properties, required = [] } = resolve(schema, schemas);
  if (!properties) return "";
  return html`<dl>${Object.entries(properties).map(([name, field]) => {
    const known = resolve(field, schemas);
    return html`<dt><code>${name}</code> <span>${kind(known, schemas)}${required.includes(name) ? ", required" : ""}</span></dt>
<dd>${marked(field.description ?? known.description)} ${rules(known)}${fields(known, schemas)}</dd>`;
  })}</dl>`;
}

function resolve(schema: Schema | undefined, schemas: Record<string, Schema>): Schema {
  const name = schema?.$ref?.split("/").at(-1);
  return (name === undefined ? schema : schemas[name]) ?? {};
}

function kind({ type, items, const: only }: Schema, schemas: Record<string, Schema>): string {
  if (only !== undefined) return JSON.stringify(only);
  if (items) return `list of ${kind(resolve(items, schemas), schemas)}`;
  return [type ?? "anything"].flat().join(" or ");
}

function rules({ pattern, minimum, maxProperties, propertyNames, additionalProperties }: Schema): Html[] {
  const values = typeof additionalProperties === "object" ? additionalProperties.pattern : undefined;
  return [
    ...(minimum === undefined ? [] : [html`At least ${String(minimum)}. `]),
    ...(maxProperties === undefined ? [] : [html`At most ${String(maxProperties)}. `]),
    ...(propertyNames?.pattern === undefined ? [] : [html`Names: <code>${propertyNames.pattern}</code>. `]),
    ...(values === undefined ? [] : [html`Values: <code>${values}</code>. `]),
    ...(pattern === undefined ? [] : [html`<code>${pattern}</code>. `]),
  ];
}

const verb = (method: string) => html`<b class="verb">${method.toUpperCase()}</b>`;

/** Text with code in backticks. */
const marked = (text = "") =>
  text.split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part));
