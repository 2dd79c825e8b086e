import { RouseError } from "../../sdk/errors.ts";
import type { JsonObject } from "../proto/json.ts";

/** As Envoy tells an address in its reports. */
interface ToldAddress {
  readonly socket_address?: { readonly address: string; readonly port_value: number };
  readonly pipe?: { readonly path: string };
}

/** The reverse of {@link envoyAddress}; undefined for other kinds of addresses. */
export function toldAddress({ socket_address: socket, pipe }: ToldAddress): string | undefined {
  if (pipe !== undefined) return `unix:${pipe.path}`;
  if (socket === undefined) return undefined;
  const { address, port_value: port } = socket;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * An Envoy address of "host:port" (IPv6 in brackets) or "unix:/path".
 *
 * @throws RouseError INVALID_ARGUMENT for anything else.
 */
export function envoyAddress(address: string, mode?: number): JsonObject {
  if (address.startsWith("unix:")) {
    const path = address.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    return { pipe: { path, ...(mode !== undefined && { mode }) } };
  }
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `"${address}" is no address. Write host:port, such as 127.0.0.1:8080, or unix:/path.`,
      { reason: "ADDRESS_INVALID" },
    );
  }
  // Envoy takes IP addresses only.
  const ip = host === "localhost" ? "127.0.0.1" : host;
  return { socket_address: { address: ip, port_value: Number(port) } };
}
