import type { LiveCredentialsEvent } from "../src/browser/index.ts";
import { type Address, addressOf, readAddress, writeAddress } from "./address.ts";
import { ChatView } from "./chat-view.ts";
import { Composer } from "./composer.ts";
import { CredentialView } from "./credential-view.ts";
import { DeliveryView } from "./delivery-view.ts";
import { byId, setText } from "./dom.ts";
import { clearError, focusJoinForm, setBusy, setUpJoinForm, showError } from "./join-view.ts";
import { LogView } from "./log-view.ts";
import {
  type Attempt,
  clearVerdict,
  showNoResponse,
  showOtherUser,
  showPermissions,
  showVerdict,
  tryPublishing,
  trySubscribing,
} from "./permissions-view.ts";
import { Room } from "./room.ts";
import { setUpTheme } from "./theme.ts";

/** The demo page: joins a room, shows it and leaves it. */

/** Milliseconds between two updates of the counts and the remaining lifetime. */
const DRAW_INTERVAL = 200;
/** The name that attempts are made with while no other user is in the room. */
const ABSENT_USER = "bob";

let room: Room | undefined;
let isJoining = false;
const composer = new Composer();
let otherUser = ABSENT_USER;
let drawing: ReturnType<typeof setInterval> | undefined;

const ttl = () => Number(document.querySelector<HTMLInputElement>("[name=ttl]:checked")?.value);

async function join(address: Address): Promise<void> {
  if (isJoining) return;
  isJoining = true;
  clearError();
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
        credentials: (event) => {
          views.credential.credentialsEvent(event);
          if (event.type === "refreshed") views.delivery.renewed();
          views.log.credentialsEvent(event);
          onCredentialsEvent(event);
        },
        message: (message) => views.chat.message(message),
        ticked: (tick) => views.delivery.ticked(tick),
        left: (name, tab) => views.delivery.left(name, tab),
        history: (outcome) => views.chat.history(outcome),
      },
    );
  } catch (error) {
    showError(error);
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
  { credential, delivery, log }: { credential: CredentialView; delivery: DeliveryView; log: LogView },
): void {
  writeAddress(address);
  document.title = `${address.room} · nats-mint demo`;
  setText(byId("where-room"), address.room);
  setText(byId("where-name"), address.name);
  setText(byId("room-title"), address.room);
  byId<HTMLAnchorElement>("another").href = addressOf({ room: address.room });
  showPermissions(entered.permissions);
  composer.use(entered);
  clearVerdict();
  byId("renew").setAttribute("aria-disabled", "false");
  show(true);
  byId("text").focus();
  credential.entered(entered);
  const draw = () => {
    credential.draw(entered);
    delivery.draw(credential.renewals);
    log.draw(entered);
    if (entered.responds) showNoResponse(false);
    composer.draw();
    const other = delivery.otherUser ?? ABSENT_USER;
    if (other !== otherUser) clearVerdict();
    otherUser = other;
    showOtherUser(otherUser);
  };
  draw();
  drawing = setInterval(draw, DRAW_INTERVAL);
}

function onCredentialsEvent({ type }: LiveCredentialsEvent): void {
  byId("renew").setAttribute("aria-disabled", String(type === "refreshing"));
  if (type === "refreshed" && room) showPermissions(room.permissions);
}

async function leave(): Promise<void> {
  clearInterval(drawing);
  const left = room;
  room = undefined;
  composer.use(undefined);
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

/** Shows the result of an attempt, unless it is no longer about this room and this user. */
async function attempt(make: (room: Room, name: string) => Promise<Attempt>): Promise<void> {
  if (!room) return;
  if (!room.responds) {
    showNoResponse(true);
    return;
  }
  const [inRoom, name] = [room, otherUser];
  const result = await make(inRoom, name);
  if (room === inRoom && otherUser === name) showVerdict(result);
}

setUpTheme();
setUpJoinForm(join);
byId("renew").addEventListener("click", () => room?.renew());
byId("leave").addEventListener("click", () => void leave());
byId("try-say").addEventListener("click", () => void attempt(tryPublishing));
byId("try-listen").addEventListener("click", () => void attempt(trySubscribing));
for (const choice of document.querySelectorAll("[name=ttl]")) {
  choice.addEventListener("change", () => {
    if (room) room.ttl = ttl();
  });
}
// Not every browser scrolls an element by keyboard that cannot be focused.
for (const scroller of document.querySelectorAll<HTMLElement>(".scroll")) scroller.tabIndex = 0;
addEventListener("pagehide", () => room?.farewell());

const { name, room: place } = readAddress();
if (name && place) void join({ name, room: place });
else focusJoinForm();
