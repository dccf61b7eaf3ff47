import { join } from "node:path";
import { bun, on, runJson } from "./process.ts";
import { type Contender, type Measurement, measureInTurn } from "./rounds.ts";
import { checkJwt, stateFile } from "./state.ts";
import type { Part, PartOptions } from "./targets.ts";

/** Making user JWTs, without HTTP. Each contender warms up for half as long as it is measured. */

const OURS = "nats-mint, given public key";
const OURS_CREDS = "nats-mint, new key pair and creds file";
const GO = "Go `jwt/v2`, scoped user, given public key";
const GO_CREDS = "Go `jwt/v2`, new key pair, inline permissions, creds file";
const BARE = "bare claims, hash and native signature";

export async function minting(options: PartOptions): Promise<Part> {
  const { scratch, state, machine, rounds, seconds, report } = options;
  const { goPeers, cores } = machine;

  function contender(name: string, command: string[]): Contender {
    return {
      name,
      async measure() {
        const all = [...command, stateFile(scratch), String(seconds)];
        const { jwt, ...measured } = await runJson<Measurement & { jwt: string }>(on(cores?.work, all));
        checkJwt(jwt, state);
        return measured;
      },
    };
  }
  const file = (name: string) => bun(join("bench/minting", name));

  const contenders = [
    contender(OURS, file("ours.ts")),
    contender(BARE, file("bare.ts")),
    ...(goPeers ? [contender(GO, [goPeers, "given"])] : []),
    contender(OURS_CREDS, file("ours-creds.ts")),
    ...(goPeers ? [contender(GO_CREDS, [goPeers, "creds"])] : []),
    contender("`@nats-io/jwt`, native signer behind its KeyPair", file("nats-jwt-native.ts")),
    contender("`@nats-io/jwt` as usually written", file("nats-jwt.ts")),
    contender("the native signature alone", file("sign.ts")),
  ];
  return {
    rounds: await measureInTurn(contenders, rounds, report),
    comparisons: [
      { what: "minting, given public key", one: OURS, other: GO, target: 2.5 },
      { what: "minting, new key pair and creds file", one: OURS_CREDS, other: GO_CREDS, target: 2 },
      {
        what: "minting, given public key, relative to the minimum work",
        one: OURS,
        other: BARE,
        target: 0.85,
      },
    ],
    bounds: [],
  };
}
