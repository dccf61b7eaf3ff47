import type { LiveCredentialsEvent } from "../src/browser/index.ts";
import { type Address, addressOf, readAddress, writeAddress } from "./address.ts";
import { ChatView } from "./chat-view.ts";
import { CredentialView } from "./credential-view.ts";
import { DeliveryView } from "./delivery-view.ts";
import { byId, setText } from "./dom.ts";
import { clearTrouble, focusJoinForm, setBusy, setUpJoinForm, showTrouble } from "./join-view.ts";
import { LogView } from "./log-view.ts";
import { clearVerdict, showPermissions, showSomebody, tryListening, trySaying } from "./permissions-view.ts";
import { Room } from "./room.ts";
import { setUpTheme } from "./theme.ts";

/** The demo page: joins a room, shows it, leaves it. */

/** Milliseconds between two looks at what counts and what runs down. */
const DRAW_INTERVAL = 200;
/** Whom to try things on while nobody else is here. */
const NOBODY = "bob";

let room: Room | undefined;
let isJoining = false;
let somebody = NOBODY;
let drawing: ReturnType<typeof setInterval> | undefined;

const ttl = () => Number(document.querySelector<HTMLInputElement>("[name=ttl]:checked")?.value);

async function join(address: Address): Promise<void> {
  if (isJoining) return;
  isJoining = true;
  clearTrouble();
  setBusy(true);
  const views = {
    credential: new CredentialView(),
    delivery: new DeliveryView(address.name),
    chat: new ChatView(address.name),
    log: new LogView(),
  };
  try {
    room = await Room.join(
      { ...address, ttl: ttl() },
      {
        session: (event) => {
          views.credential.session(event);
          if (event.type === "refreshed") views.delivery.renewed();
          views.log.session(event);
          onSession(event);
        },
        said: (said) => views.chat.said(said),
        ticked: (tick) => views.delivery.ticked(tick),
        left: (name, tab) => views.delivery.left(name, tab),
        history: (outcome) => views.chat.history(outcome),
      },
    );
  } catch (error) {
    showTrouble(error);
    return;
  } finally {
    isJoining = false;
    setBusy(false);
  }
  enter(room, address, views);
}

function enter(
  entered: Room,
  address: Address,
  { credential, delivery }: { credential: CredentialView; delivery: DeliveryView },
): void {
  writeAddress(address);
  document.title = `${address.room} · nats-mint demo`;
  setText(byId("where-room"), address.room);
  setText(byId("where-name"), address.name);
  setText(byId("room-title"), address.room);
  byId<HTMLAnchorElement>("another").href = addressOf({ room: address.room });
  showPermissions(entered.permissions);
  clearVerdict();
  show(true);
  byId("text").focus();
  credential.entered(entered);
  const draw = () => {
    credential.draw(entered);
    delivery.draw(credential.renewals);
    somebody = delivery.somebody ?? NOBODY;
    showSomebody(somebody);
  };
  draw();
  drawing = setInterval(draw, DRAW_INTERVAL);
}

function onSession({ type }: LiveCredentialsEvent): void {
  byId("renew").setAttribute("aria-disabled", String(type === "refreshing"));
  if (type === "refreshed" && room) showPermissions(room.permissions);
}

async function leave(): Promise<void> {
  clearInterval(drawing);
  const left = room;
  room = undefined;
  show(false);
  document.title = "nats-mint demo";
  writeAddress({ room: byId<HTMLInputElement>("room").value });
  focusJoinForm();
  await left?.leave();
}

function show(isInRoom: boolean): void {
  byId("join").hidden = isInRoom;
  for (const id of ["room-view", "where", "state", "another", "leave"]) byId(id).hidden = !isInRoom;
}

async function say(event: SubmitEvent): Promise<void> {
  event.preventDefault();
  const input = byId<HTMLInputElement>("text");
  const text = input.value.trim();
  if (!text || !room) return;
  input.value = "";
  setText(byId("chat-error"), "");
  try {
    await room.say(text);
  } catch (error) {
    setText(byId("chat-error"), `Not sent: ${(error as Error).message}`);
    if (!input.value) input.value = text;
  }
}

setUpTheme();
setUpJoinForm(join);
byId("composer").addEventListener("submit", (event) => void say(event));
byId("renew").addEventListener("click", () => room?.renew());
byId("leave").addEventListener("click", () => void leave());
byId("try-say").addEventListener("click", () => room && void trySaying(room, somebody));
byId("try-listen").addEventListener("click", () => room && void tryListening(room, somebody));
for (const choice of document.querySelectorAll("[name=ttl]")) {
  choice.addEventListener("change", () => {
    if (room) room.ttl = ttl();
  });
}
// Not every browser lets a keyboard scroll what it can't focus.
for (const scroller of document.querySelectorAll<HTMLElement>(".scroll")) scroller.tabIndex = 0;
addEventListener("pagehide", () => room?.farewell());

const { name, room: place } = readAddress();
if (name && place) void join({ name, room: place });
else focusJoinForm();
