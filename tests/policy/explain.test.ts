import { describe, expect, test } from "bun:test";
import { BROWSER } from "../../src/core/roles/account.fixture.ts";
import { makeWorkspace } from "./command.ts";

/** The output of `explain` and `policy check`. */

const SECRET = /S[A-Z][A-Z2-7]{56}|eyJ/;
const ISSUER = "https://login.example.com";
const ROOM = {
  pub: { allow: ["rooms.{{tag(room)}}.{{name()}}.>"] },
  sub: { allow: ["rooms.{{tag(room)}}.>", "_INBOX_{{name()}}.>"] },
};
const POLICY = {
  issuers: [{ issuer: ISSUER, audience: ["nats"] }],
  rules: [
    {
      description: "Staff talk in the rooms of their token",
      when: { issuer: ISSUER, claims: [{ claim: "groups", contains: "staff" }] },
      grant: { role: "room", tags: { room: { claim: "rooms" } }, ttl: 300 },
    },
    { when: {}, grant: { role: "browser" } },
  ],
};
const STAFF = { iss: ISSUER, sub: "1234", groups: ["staff"], rooms: ["lobby", "hall"] };
const USER = "u-gvy5tmq3kb2pcupgywujhfnl6v33gzp5";

async function makeStaffWorkspace() {
  const workspace = await makeWorkspace();
  await workspace.writePolicy(POLICY);
  await workspace.exportKeys({ browser: BROWSER, room: ROOM });
  const explain = async (claims: unknown, ...args: string[]) =>
    workspace.run(["explain", "--claims", await workspace.writeClaims(claims), ...args]);
  return { ...workspace, explain };
}

describe("explain", () => {
  test("shows the rule that matches, and everything that it grants", async () => {
    await using workspace = await makeStaffWorkspace();
    const { code, out, err } = await workspace.explain(STAFF, "--tag", "room=hall", "--ttl", "60");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe(
      [
        `issuer     "${ISSUER}"`,
        'subject    "1234"',
        "rules[0]   Staff talk in the rooms of their token: matches",
        `user       ${USER} (derived from issuer and subject)`,
        "role       room",
        "tags       room=hall",
        "lifetime   60 s, at most until the token expires",
        `publish    rooms.hall.${USER}.>`,
        "subscribe  rooms.hall.>",
        `           _INBOX_${USER}.>`,
        "",
      ].join("\n"),
    );
  });

  test("shows why each rule before it does not match", async () => {
    await using workspace = await makeStaffWorkspace();
    const { code, out } = await workspace.explain({ ...STAFF, groups: "staff" });
    expect(code).toBe(0);
    expect(out).toContain("Staff talk in the rooms of their token: does not match");
    expect(out).toContain('groups is "staff", wanted a list with "staff"');
    expect(out).toContain("rules[1]   matches");
    expect(out).toContain("lifetime   900 s");
    const other = await workspace.explain(STAFF, "--role", "browser");
    expect(other.out).toContain('it grants "room", and "browser" is requested');
  });

  test("ends with 1 and the reason when no credential would be issued", async () => {
    await using workspace = await makeStaffWorkspace();
    for (const [claims, args, reason] of [
      [STAFF, [], 'tag_not_allowed: tag "room": the caller has several values'],
      [STAFF, ["--tag", "room=cellar"], 'tag_not_allowed: tag "room"'],
      [{ ...STAFF, rooms: "*" }, [], 'tag_not_allowed: tag "room"'],
      [STAFF, ["--role", "admin"], "role_not_allowed: no rule matches"],
      [{ ...STAFF, groups: [] }, ["--role", "room"], "role_not_allowed: no rule matches"],
    ] as const) {
      const { code, out } = await workspace.explain(claims, ...args);
      expect([code, out]).toEqual([
        1,
        expect.stringMatching(new RegExp(`^refused +${RegExp.escape(reason)}`, "m")),
      ]);
    }
  });

  test("distinguishes a role without a key from a rule that does not match", async () => {
    await using workspace = await makeStaffWorkspace();
    await workspace.writePolicy({ ...POLICY, rules: [{ when: {}, grant: { role: "admin" } }] });
    const { code, out } = await workspace.explain(STAFF);
    expect(code).toBe(1);
    expect(out).toContain("role_not_allowed: the mint has no key for the role admin");
  });

  test("refuses an issuer that is not in use, whatever the rules are", async () => {
    await using workspace = await makeStaffWorkspace();
    const { code, out } = await workspace.explain({ ...STAFF, iss: "https://other.example.com" });
    expect([code, out]).toEqual([
      1,
      expect.stringContaining("unauthorized: tokens of this issuer are not accepted"),
    ]);
    workspace.env.OIDC_ISSUER = "https://other.example.com";
    workspace.env.OIDC_AUDIENCE = "nats";
    expect((await workspace.explain({ ...STAFF, iss: "https://other.example.com" })).code).toBe(0);
  });

  test("takes user names from a claim if the policy does", async () => {
    await using workspace = await makeStaffWorkspace();
    await workspace.writePolicy({ ...POLICY, user: { claim: "preferred_username", unique: true } });
    const { out } = await workspace.explain({ iss: ISSUER, sub: "1", preferred_username: "alice" });
    expect(out).toContain("user       alice (from a claim)");
    const { code, out: refused } = await workspace.explain({ iss: ISSUER, sub: "1" });
    expect([code, refused]).toEqual([
      1,
      expect.stringContaining("user_not_allowed: the claim preferred_username"),
    ]);
  });

  test("works without keys, and notes what is unknown then", async () => {
    await using workspace = await makeWorkspace();
    await workspace.writePolicy(POLICY);
    const { code, out } = await workspace.run(
      ["explain", "--claims", "-", "--tag", "room=hall"],
      JSON.stringify(STAFF),
    );
    expect(code).toBe(0);
    expect(out).toContain("role      room");
    expect(out).toContain("lifetime  300 s, or the role's if that is shorter");
    expect(out).toContain("so the permissions of the role are unknown");
  });

  test("prints the same as JSON", async () => {
    await using workspace = await makeStaffWorkspace();
    const { code, out } = await workspace.explain(STAFF, "--tag", "room=hall", "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      issuer: ISSUER,
      subject: "1234",
      rules: [
        {
          place: "rules[0]",
          description: POLICY.rules[0]?.description,
          role: "room",
          matches: true,
          why: [],
        },
      ],
      notes: [],
      granted: {
        user_from: "issuer and subject",
        user: USER,
        role: "room",
        tags: { room: "hall" },
        ttl: 300,
        permissions: {
          pub: { allow: [`rooms.hall.${USER}.>`] },
          sub: { allow: ["rooms.hall.>", `_INBOX_${USER}.>`] },
        },
      },
    });
    const refused = await workspace.explain(STAFF, "--role", "admin", "--json");
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out)).toMatchObject({ refused: { code: "role_not_allowed" } });
  });

  test("accepts only decoded claims, and quotes nothing of an encoded token", async () => {
    await using workspace = await makeStaffWorkspace();
    const part = (json: unknown) => Buffer.from(JSON.stringify(json)).toString("base64url");
    const encoded = `${part({ alg: "ES256" })}.${part(STAFF)}.c2lnbmF0dXJl`;
    for (const text of [
      encoded,
      `"${encoded}"`,
      JSON.stringify({ access_token: encoded }),
      `Bearer ${encoded}\n`,
    ]) {
      const { code, out, err } = await workspace.explain(text);
      expect([code, out]).toEqual([2, ""]);
      expect(err).toContain("Pass its decoded claims instead");
      expect(err).not.toContain(encoded.slice(10, 30));
    }
    for (const text of ["", "{", "[]", "null", '{"sub":"1"}', `{"iss":"${ISSUER}"}`, '{"iss":1,"sub":"1"}']) {
      const { code, err } = await workspace.explain(text);
      expect([code, err.split("\n").length]).toEqual([2, 2]);
    }
  });

  test("never prints anything that could be used as a credential", async () => {
    await using workspace = await makeStaffWorkspace();
    const seed = `SU${"A".repeat(56)}`;
    for (const args of [[], ["--json"], ["--role", "browser"], ["--tag", "room=hall"]]) {
      const { out, err } = await workspace.explain({ ...STAFF, groups: seed, plan: seed }, ...args);
      expect(out + err).not.toMatch(SECRET);
    }
  });

  test("shows claims without the control characters that a terminal would act on", async () => {
    await using workspace = await makeStaffWorkspace();
    const { out } = await workspace.explain({ iss: ISSUER, sub: "\x1b[2Jx\n\u202e", groups: "\x1b]0;x\x07" });
    expect(out).not.toMatch(/[^\n -~]/);
  });

  test("uses the issuer of --issuer", async () => {
    await using workspace = await makeStaffWorkspace();
    const { code, out } = await workspace.explain({ sub: "1234", groups: [] }, "--issuer", ISSUER);
    expect([code, out]).toEqual([0, expect.stringContaining(USER)]);
  });
});

describe("policy check", () => {
  test("accepts the policy of the recipe once there is an issuer", async () => {
    await using workspace = await makeWorkspace();
    await workspace.exportKeys({ browser: BROWSER });
    workspace.env.MINT_POLICY_FILE = "fs/mint/policy.json";
    const alone = await workspace.run(["policy", "check"]);
    expect([alone.code, alone.err]).toEqual([
      1,
      expect.stringContaining("issuers: must not be empty when OIDC_ISSUER is not set"),
    ]);
    workspace.env.OIDC_ISSUER = ISSUER;
    workspace.env.OIDC_AUDIENCE = "nats";
    const { code, out, err } = await workspace.run(["policy", "check"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toBe(
      "fs/mint/policy.json: 1 rule, 1 issuer in use, user names derived from issuer and subject\n",
    );
  });

  test("lists the mistakes, one line for each place", async () => {
    await using workspace = await makeWorkspace();
    await workspace.writePolicy({ rules: [{ when: { claim: [] }, grant: { rol: "x" } }] });
    const { code, out, err } = await workspace.run(["policy", "check"]);
    expect([code, out]).toEqual([1, ""]);
    const file = workspace.env.MINT_POLICY_FILE;
    expect(err.trimEnd().split("\n")).toEqual([
      `${file}: rules[0].when: unknown field "claim"`,
      `${file}: rules[0].grant.role: is missing`,
      `${file}: rules[0].grant: unknown field "rol"`,
    ]);
    await workspace.writePolicy('{\n  "rules": [\n    { "when": {}, },\n  ]\n}');
    expect((await workspace.run(["policy", "check"])).err).toBe(
      `${file}: the policy is not valid JSON at line 3, column 19: wanted a name in double quotes; there is no comma before the end of a list or an object\n`,
    );
    await workspace.writePolicy('{"rules":[{"when":{"issuer":"x"},"when":{},"grant":{"role":"a"}}]}');
    expect((await workspace.run(["policy", "check"])).err).toContain('duplicate field "when" at line 1');
  });

  test("includes the issuer of the settings: names from a claim need a single one", async () => {
    await using workspace = await makeWorkspace();
    await workspace.writePolicy({ ...POLICY, user: { claim: "name", unique: true } });
    expect((await workspace.run(["policy", "check"])).code).toBe(0);
    workspace.env.OIDC_AUDIENCE = "nats";
    for (const [issuer, message] of [
      ["https://other.example.com", "user: names from a claim need a single issuer"],
      [ISSUER, "issuers: the issuer of OIDC_ISSUER is listed here too"],
    ] as const) {
      workspace.env.OIDC_ISSUER = issuer;
      const { code, err } = await workspace.run(["policy", "check"]);
      expect([code, err]).toEqual([1, expect.stringContaining(message)]);
    }
  });

  test("warns of rules that have no effect", async () => {
    await using workspace = await makeWorkspace();
    await workspace.exportKeys({ browser: BROWSER });
    await workspace.writePolicy({
      issuers: POLICY.issuers,
      rules: [
        { when: { issuer: `${ISSUER}/` }, grant: { role: "browser" } },
        { when: {}, grant: { role: "admin" } },
        { when: { issuer: ISSUER }, grant: { role: "admin" } },
      ],
    });
    const { code, out } = await workspace.run(["policy", "check"]);
    expect(code).toBe(0);
    expect(out.match(/^warning: rules\[\d\]\S*/gm)).toEqual([
      "warning: rules[0].when.issuer:",
      "warning: rules[1].grant.role:",
      "warning: rules[2].grant.role:",
      "warning: rules[2]:",
    ]);
  });
});

test("an unknown command and invalid arguments are refused with the usage", async () => {
  await using workspace = await makeWorkspace();
  await workspace.writePolicy(POLICY);
  const claims = await workspace.writeClaims(STAFF);
  for (const args of [
    [],
    ["mint"],
    ["constructor"],
    ["explain"],
    ["explain", claims],
    ["explain", "--claims", claims, "--user", "x"],
    ["explain", "--claims", claims, "--role", "a", "--role", "b"],
    ["explain", "--claims"],
    ["policy"],
    ["policy", "check", "more"],
    ["policy", "check", "--json"],
    ["api-key"],
    ["api-key", "show"],
    ["api-key", "add"],
    ["api-key", "add", "--roles", ","],
    ["api-key", "add", "--roles", "a.b"],
    ["api-key", "add", "--roles", "a", "--expires", "soon"],
    ["api-key", "add", "--roles", "a", "--expires", "0d"],
    ["api-key", "remove"],
    ["api-key", "list", "all"],
  ]) {
    const { code, out, err } = await workspace.run(args);
    expect([args, code, out]).toEqual([args, 2, ""]);
    expect(err).toContain("usage: npm run mint");
  }
  const help = await workspace.run(["--help"]);
  expect([help.code, help.err]).toEqual([0, ""]);
  expect(help.out).toStartWith("usage: ");
});
