import type { Permissions, SubjectRules } from "../core/roles/role.ts";
import { quote, stripControls } from "../util/quote.ts";
import type { Explanation, Granted } from "./explain.ts";
import { table } from "./table.ts";

/** An explanation as aligned lines of text. */
export function showExplanation({ issuer, subject, rules, notes, granted, refused }: Explanation): string {
  const rows = [
    ["issuer", quote(issuer)],
    ["subject", quote(subject)],
    ...rules.flatMap(({ place, description, matches, why }) => {
      const about = description ? `${stripControls(description)}: ` : "";
      if (matches) return [[place, `${about}matches`]];
      return [[place, `${about}does not match`], ...why.map((reason) => ["", `  ${reason}`])];
    }),
    ...(granted ? grantedRows(granted) : []),
    ...(refused ? [["refused", `${refused.code}: ${refused.reason}`]] : []),
    ...notes.map((note) => ["note", note]),
  ];
  return table(rows);
}

function grantedRows({ user, user_from, role, tags, ttl, permissions }: Granted): string[][] {
  return [
    ["user", `${user} (${user_from === "claim" ? "from a claim" : "derived from issuer and subject"})`],
    ["role", role],
    ...Object.entries(tags).map(([name, value], i) => [i === 0 ? "tags" : "", `${name}=${value}`]),
    ["lifetime", `${lifetime(ttl, permissions !== undefined)}, at most until the token expires`],
    ...(permissions ? permissionRows(permissions) : []),
  ];
}

function lifetime(ttl: number | undefined, isExact: boolean): string {
  if (ttl === undefined) return "the role's";
  return isExact ? `${ttl} s` : `${ttl} s, or the role's if that is shorter`;
}

function permissionRows({ pub, sub, resp }: Permissions): string[][] {
  return [
    ...subjectRows("publish", pub),
    ...subjectRows("subscribe", sub),
    ...(resp ? [["reply", `${resp.max} messages within ${resp.ttl / 1e9} s`]] : []),
  ];
}

function subjectRows(verb: string, rules: SubjectRules | undefined): string[][] {
  if (!rules) return [[verb, "everything"]];
  const lines = [
    ...(rules.allow ? (rules.allow.length > 0 ? rules.allow : ["nothing"]) : ["everything"]),
    ...(rules.deny ?? []).map((subject) => `not ${subject}`),
  ];
  return lines.map((line, i) => [i === 0 ? verb : "", line]);
}
