import { expect, test } from "bun:test";
import { readEnvFiles } from "./env.ts";
import { findUnknownVariables, KNOWN_VARIABLES } from "./unknown-variables.ts";

test("every variable of .env is known", () => {
  const names = Object.keys(readEnvFiles()[".env"]);
  expect(names.length).toBeGreaterThan(30);
  expect(names.filter((name) => !KNOWN_VARIABLES.has(name))).toEqual([]);
  expect(findUnknownVariables(readEnvFiles(), {})).toEqual([]);
});

test.each([
  ["MINT_PROT", "MINT_PORT"],
  ["mint_port", "MINT_PORT"],
  ["MINT_ALOWED_ORIGINS", "MINT_ALLOWED_ORIGINS"],
  ["NATS_WS_ORIGIN", "NATS_WS_ORIGINS"],
  ["NATS_BINDS", "NATS_BIND"],
  ["OIDC_AUDIANCE", "OIDC_AUDIENCE"],
  ["USE_WEBSOCKETS", "USE_WEBSOCKET"],
  ["DATADIR", "DATA_DIR"],
])("%s is reported with %s, in .env and in the environment", (name, nearest) => {
  const sentence = (where: string) =>
    `${name} in ${where} is not a setting, and is ignored. Did you mean ${nearest}?`;
  expect(findUnknownVariables({ ".env": { [name]: "x" } }, {})).toEqual([sentence(".env")]);
  expect(findUnknownVariables({}, { [name]: "x" })).toEqual([sentence("the environment")]);
});

test.each(["MINT_LISTEN_ADDRESS", "NATS_CLUSTER_NAME", "OIDC_CLIENT_SECRET"])(
  "%s, which is near no setting, is reported in .env",
  (name) => {
    expect(findUnknownVariables({ ".env": { [name]: "x" } }, {})).toEqual([
      `${name} in .env is not a setting, and is ignored. docs/configuration.md has all of them.`,
    ]);
  },
);

test("variables of other programs are not reported", () => {
  const others = [
    "PATH",
    "HOME",
    "TERM",
    "PWD",
    "_",
    "npm_config_loglevel",
    "COMPOSE_PROJECT_NAME",
    "NO_COLOR",
  ];
  const env = Object.fromEntries(others.map((name) => [name, "x"]));
  expect(findUnknownVariables({ ".env": env }, env)).toEqual([]);
  const nats = ["NATS_URL", "NATS_USER", "NATS_CREDS", "NATS_CONTEXT", "NATS_KEY", "OIDC_CLIENT_SECRET"];
  expect(findUnknownVariables({}, Object.fromEntries(nats.map((name) => [name, "x"])))).toEqual([]);
});

test("no value is shown", () => {
  expect(
    findUnknownVariables({ ".env.local": { MINT_SECRT: "hunter2" } }, { MINT_SECRT: "hunter2" }).join(),
  ).not.toContain("hunter2");
});
