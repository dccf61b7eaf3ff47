import { CredentialError } from "../src/browser/index.ts";
import { type Address, readAddress } from "./address.ts";
import { byId, element } from "./dom.ts";
import { NoConnectionError } from "./room.ts";

/** The form to join a room, and its error messages. */

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

/** The names that the mint accepts; tells which field is wrong after the mint has refused one. */
const TOKEN = /^[\w-]{1,64}$/;

const name = () => byId<HTMLInputElement>("name");
const room = () => byId<HTMLInputElement>("room");

/** Fills the form from the page's address, and calls `join` when it is submitted. */
export function setUpJoinForm(join: (address: Address) => Promise<void>): void {
  const { name: ownName, room: ownRoom } = readAddress();
  name().value = ownName ?? NAMES[Math.floor(Math.random() * NAMES.length)] ?? "";
  room().value = ownRoom ?? "lobby";
  for (const input of [name(), room()]) input.addEventListener("input", clearError);
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

export function clearError(): void {
  byId("join-error").replaceChildren();
  for (const input of [name(), room()]) input.removeAttribute("aria-invalid");
}

/** Shows what went wrong and what to do. */
export function showError(error: unknown): void {
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
      "The mint issued a credential, but NATS cannot be reached.",
      `Tried ${error.servers.join(", ")}. Is the server running, and is ${location.origin} in NATS_WS_ORIGINS?`,
    ];
  }
  const { message } = error as Error;
  const status = statusOf(error);
  const detail = message.replace(STATUS, "");
  if (!(error instanceof CredentialError) && !(error instanceof TypeError))
    return ["An error occurred.", detail];
  if (error instanceof CredentialError && error.code === "unsupported") {
    return ["This browser cannot make an Ed25519 key.", detail];
  }
  if (status === undefined)
    return ["The mint does not respond.", "Check that it is running, then try again."];
  if (isRefused(status)) return ["The mint does not accept this.", detail];
  return ["The mint issues no credential for this.", detail];
}

/** A `CredentialError` begins with the status of the mint's response, if there was one. */
const STATUS = /^(\d{3}): /;
const statusOf = (error: unknown) => {
  const status = STATUS.exec((error as Error).message)?.[1];
  return status ? Number(status) : undefined;
};
const isRefused = (status: number | undefined) => status === 422 || status === 400;
