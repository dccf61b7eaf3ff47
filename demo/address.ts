/** The user's name and the room in the page's address: they survive a reload, and a link leads to the room. */

export interface Address {
  readonly room: string;
  readonly name: string;
}

export function readAddress(): Partial<Address> {
  const query = new URLSearchParams(location.search);
  const [room, name] = [query.get("room"), query.get("name")];
  return { ...(room && { room }), ...(name && { name }) };
}

export function addressOf({ room, name }: Partial<Address>): string {
  return `/?${new URLSearchParams({ ...(room && { room }), ...(name && { name }) })}`;
}

export function writeAddress(address: Partial<Address>): void {
  history.replaceState(null, "", addressOf(address));
}
