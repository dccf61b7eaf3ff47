import { CredentialError } from "../src/browser/index.ts";
import { type Address, readAddress } from "./address.ts";
import { byId, element } from "./dom.ts";
import { NoConnectionError } from "./room.ts";

/** The form that one joins with, and what it says when that did not go well. */

const NAMES = [
  "ada",
  "alan",
  "barbara",
  "donald",
  "edsger",
  "frances",
  "grace",
  "john",
  "katherine",
  "ken",
  "margaret",
  "radia",
];

/** Tells which field is the wrong one; the mint has said that one is. */
const TOKEN = /^[\w-]{1,64}$/;

const name = () => byId<HTMLInputElement>("name");
const room = () => byId<HTMLInputElement>("room");

/** Fills the form from the page's address, and calls `join` when it is sent. */
export function setUpJoinForm(join: (address: Address) => Promise<void>): void {
  const { name: ownName, room: ownRoom } = readAddress();
  name().value = ownName ?? NAMES[Math.floor(Math.random() * NAMES.length)] ?? "";
  room().value = ownRoom ?? "lobby";
  byId("join-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void join({ name: name().value.trim(), room: room().value.trim() });
  });
}

export function focusJoinForm(): void {
  name().focus();
  name().select();
}

export function setBusy(isBusy: boolean): void {
  const button = byId("join-button");
  button.textContent = isBusy ? "Joining …" : "Join the room";
  button.setAttribute("aria-disabled", String(isBusy));
}

export function clearTrouble(): void {
  byId("join-error").replaceChildren();
  for (const input of [name(), room()]) input.removeAttribute("aria-invalid");
}

/** Says what went wrong and what to do about it. */
export function showTrouble(error: unknown): void {
  const [title, ...more] = explain(error);
  byId("join-error").replaceChildren(
    element("strong", "", title ?? ""),
    ...more.map((text) => element("p", "", text)),
  );
  const wrong = isRefused(statusOf(error)) ? [name(), room()].filter(({ value }) => !TOKEN.test(value)) : [];
  for (const input of wrong) input.setAttribute("aria-invalid", "true");
  const [first = name()] = wrong;
  first.focus();
  first.select();
}

function explain(error: unknown): string[] {
  if (error instanceof NoConnectionError) {
    return [
      "The mint gave a credential, but NATS can’t be reached.",
      `Tried ${error.servers.join(", ")}. Is the server running, and is ${location.origin} in NATS_WS_ORIGINS?`,
    ];
  }
  const { message } = error as Error;
  const status = statusOf(error);
  const detail = message.replace(STATUS, "");
  if (!(error instanceof CredentialError) && !(error instanceof TypeError))
    return ["That did not work.", detail];
  if (error instanceof CredentialError && error.code === "unsupported") {
    return ["This browser can’t make the key that it takes.", detail];
  }
  if (status === undefined) return ["The mint does not answer.", "Is it still running? Then try again."];
  if (isRefused(status)) return ["The mint would not take this.", detail];
  return ["The mint gives no credential for this.", detail];
}

/** A session's error begins with the status of the mint's answer, where there was one. */
const STATUS = /^(\d{3}): /;
const statusOf = (error: unknown) => {
  const status = STATUS.exec((error as Error).message)?.[1];
  return status ? Number(status) : undefined;
};
const isRefused = (status: number | undefined) => status === 422 || status === 400;
