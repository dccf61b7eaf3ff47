import { describe, expect, test } from "bun:test";
import { InvalidKeysError, InvalidTagError, MintError } from "../errors.ts";
import { createUserKeyPair } from "../keys/ed25519.ts";
import { parseSubjectToken } from "../subject-token.ts";
import { parseTags } from "../tags.ts";
import { makeAccount, type RoleTemplate } from "./account.fixture.ts";
import { parseAccount } from "./account.ts";
import { compileRole, type Permissions } from "./role.ts";

/**
 * One test for each rule. tests/mint/template.test.ts compares the permissions with those that a real server enforces.
 */

const subject = createUserKeyPair().publicKey;

async function permissions(
  template: RoleTemplate,
  {
    tags = {},
    account = {},
  }: { tags?: Record<string, string>; account?: Parameters<typeof makeAccount>[1] } = {},
): Promise<Permissions> {
  const { accountJwt } = await makeAccount({ r: template }, account);
  const parsed = parseAccount(accountJwt, 0);
  const [scope] = parsed.scopes.values();
  if (!scope) throw new Error("no scope");
  const own: Record<string, ReturnType<typeof parseSubjectToken>> = parseTags(tags);
  return compileRole(scope, parsed).permissionsOf({
    name: parseSubjectToken("alice"),
    subject,
    tag: (name) => own[name],
  });
}

const allow = async (list: string[], options: Parameters<typeof permissions>[1] = {}) =>
  (await permissions({ pub: { allow: list } }, options)).pub;

describe("a template", () => {
  test("is filled in with the user's name and key, and the account's", async () => {
    const pub = await allow(["a.{{name()}}.{{ subject() }}", "b.{{ACCOUNT-NAME()}}"], {
      account: { name: "APP" },
    });
    expect(pub).toEqual({ allow: [`a.alice.${subject}`, "b.APP"] });
  });

  test("has the same value everywhere in a subject", async () => {
    expect(await allow(["{{name()}}.x.{{name()}}"])).toEqual({ allow: ["alice.x.alice"] });
  });

  test("is filled in with a tag's value as it is, by the tag's name in lower case", async () => {
    expect(await allow(["room.{{tag(ROOM)}}.>"], { tags: { room: "Lobby" } })).toEqual({
      allow: ["room.Lobby.>"],
    });
  });

  test("is filled in with every combination of the account's tags", async () => {
    const account = { tags: ["x:1", "x:2", "y:a", "y:b"] };
    expect(await allow(["{{account-tag(x)}}.{{account-tag(y)}}"], { account })).toEqual({
      allow: ["1.a", "1.b", "2.a", "2.b"],
    });
  });

  test("leaves out an allowed subject whose tag is missing", async () => {
    expect(await allow(["room.{{tag(room)}}.>", "own.{{name()}}"])).toEqual({ allow: ["own.alice"] });
  });

  test("allows nothing, rather than everything, when no subject remains", async () => {
    expect(await allow(["room.{{tag(room)}}.>"])).toEqual({ deny: [">"] });
  });

  test("refuses a credential when a denied subject needs a tag that is missing", async () => {
    const template = { pub: { allow: [">"], deny: ["room.{{tag(room)}}.>"] } };
    await expect(permissions(template)).rejects.toThrow(InvalidTagError);
    expect(await permissions(template, { tags: { room: "a" } })).toEqual({
      pub: { allow: [">"], deny: ["room.a.>"] },
    });
  });

  test("leaves out an allowed subject that is invalid once filled in", async () => {
    const account = { name: "my app" };
    expect(await allow(["{{account-name()}}.x", "y", "a..b", "a.>.b"], { account })).toEqual({
      allow: ["y"],
    });
  });

  test("leaves a list without templates as it is", async () => {
    expect(await allow(["a..b", "q queue"])).toEqual({ allow: ["a..b", "q queue"] });
  });
});

describe("an empty allow list", () => {
  test("allows everything when there is no other permission", async () => {
    expect(await permissions({ pub: { allow: [] }, sub: { allow: ["a"] } })).toEqual({
      sub: { allow: ["a"] },
    });
  });

  test("allows nothing to publish, and everything to subscribe, beside a deny list", async () => {
    const rules = { allow: [], deny: ["a"] };
    expect(await permissions({ pub: rules, sub: rules })).toEqual({ pub: rules, sub: { deny: ["a"] } });
  });
});

describe("a role whose users the server would refuse", () => {
  const broken: Record<string, string[]> = {
    "an unknown function": ["{{nme()}}.>"],
    "a third brace": ["{{{name()}}.>"],
    "an empty function": ["{{ }}.>"],
    "a function with an argument it doesn't take": ["{{name(x)}}"],
  };
  for (const [what, list] of Object.entries(broken)) {
    test(`is refused as a whole: ${what}`, async () => {
      await expect(allow(list)).rejects.toThrow(InvalidKeysError);
    });
  }

  test("is refused as a whole: more than 4096 subjects", async () => {
    const tags = Array.from({ length: 17 }, (_, i) => `x:${i}`);
    // The same token has the same value, so only different tokens multiply.
    const account = { tags: [...tags, ...tags.map((tag) => `y${tag}`), ...tags.map((tag) => `z${tag}`)] };
    await expect(
      allow(["{{account-tag(x)}}.{{account-tag(yx)}}.{{account-tag(zx)}}"], { account }),
    ).rejects.toThrow(InvalidKeysError);
  });

  test("is refused as a whole: a denied subject that no account tag can complete", async () => {
    await expect(permissions({ pub: { allow: [">"], deny: ["{{account-tag(x)}}"] } })).rejects.toThrow(
      MintError,
    );
  });
});

describe("the effective permissions", () => {
  test("are the account's defaults when the role has none", async () => {
    const account = { defaultPermissions: { pub: { deny: [">"] }, sub: { deny: [">"] } } };
    expect(await permissions({}, { account })).toEqual({ pub: { deny: [">"] }, sub: { deny: [">"] } });
    expect(await permissions({ pub: { allow: ["a"] } }, { account })).toEqual({ pub: { allow: ["a"] } });
    expect(await permissions({})).toEqual({});
  });

  test("have the restrictions of a permission to respond, and the server's defaults", async () => {
    expect(await permissions({ sub: { allow: ["svc"] }, resp: { max: 0, ttl: 0 } })).toEqual({
      pub: { allow: [] },
      sub: { allow: ["svc"] },
      resp: { max: 1, ttl: 120_000_000_000 },
    });
    expect(await permissions({ pub: { allow: ["a"] }, resp: { max: 5, ttl: 1e9 } })).toEqual({
      pub: { allow: ["a"] },
      resp: { max: 5, ttl: 1e9 },
    });
  });
});
