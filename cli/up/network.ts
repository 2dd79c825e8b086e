import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { InvalidArgumentError } from "commander";
import { RouseError } from "../../sdk/errors.ts";
import { portHolder } from "./holder.ts";
import { parseHost } from "./options.ts";
import { accepts } from "./ready.ts";

/** Where a mesh of one host has everything. */
export const LOOPBACK = "127.0.0.1";
/** Ports of Consul that other hosts reach; its own defaults. */
export const GOSSIP_PORT = 8301;
export const RAFT_PORT = 8300;
/** How long a host that is to be joined may take to answer, ms. */
const JOIN_MS = 10_000;

/** How this host is connected with others. */
export interface Network {
  /** IPv4 address of this host that the others reach. */
  readonly bind: string;
  /** "host:port" of Consul's gossip of hosts of the mesh, one of which answers; without any this is the first host. */
  readonly join: readonly string[];
  /** This host votes in Consul and runs a control plane. The first one does. */
  readonly server: boolean;
}

export interface NetworkFlags {
  readonly bind: string;
  readonly join?: readonly string[];
  readonly server?: boolean;
}

/** Parses "IP" or "IP:port" of a host to join, and adds it to those before. */
export function parseJoin(text: string, before: readonly string[] = []): readonly string[] {
  const [, host = "", port = String(GOSSIP_PORT)] = /^([^:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === "0.0.0.0" || Number(port) > 65_535 || Number(port) === 0)
    throw new InvalidArgumentError(
      `"${text}" is no address of a host: give its IPv4 address, as it has it in --bind.`,
    );
  return [...before, `${parseHost(host)}:${port}`];
}

/**
 * Checks what the flags ask for, so that it is told at the start and not by some log.
 *
 * @param options.remembers This host was in the mesh before, and finds the others by itself when those to join do not answer.
 * @param options.patienceMs How long the host to join may take to answer.
 * @returns undefined for a mesh of one host, on 127.0.0.1.
 * @throws RouseError INVALID_ARGUMENT JOIN_NEEDS_BIND, BIND_UNUSABLE; FAILED_PRECONDITION PORT_IN_USE; UNAVAILABLE
 *   JOIN_UNREACHABLE.
 */
export async function checkNetwork(
  flags: NetworkFlags,
  signal: AbortSignal,
  { remembers = false, patienceMs = JOIN_MS }: { remembers?: boolean; patienceMs?: number } = {},
): Promise<Network | undefined> {
  const { bind, join = [], server } = flags;
  const isFirst = join.length === 0;
  if (bind === LOOPBACK) {
    if (isFirst && server !== true) return undefined;
    throw new RouseError(
      "INVALID_ARGUMENT",
      `--${isFirst ? "server" : "join"} needs --bind with the address by which the other hosts reach this one; it has ${ownAddresses()}.`,
      { reason: "JOIN_NEEDS_BIND" },
    );
  }
  if (bind === "0.0.0.0")
    throw new RouseError(
      "INVALID_ARGUMENT",
      `--bind 0.0.0.0 is no address that other hosts can reach: give one of this machine, which has ${ownAddresses()}.`,
      { reason: "BIND_UNUSABLE" },
    );
  await bindable(bind, 0);
  for (const port of [GOSSIP_PORT, RAFT_PORT]) await bindable(bind, port);
  if (!isFirst && !remembers) await answering(join, signal, patienceMs);
  return { bind, join, server: server ?? isFirst };
}

async function bindable(bind: string, port: number): Promise<void> {
  const probe = createServer().listen({ host: bind, port, exclusive: true });
  try {
    await once(probe, "listening");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") {
      const holder = portHolder(port);
      const by = holder === undefined ? "another program" : `process ${holder.pid} (${holder.command})`;
      throw new RouseError(
        "FAILED_PRECONDITION",
        `Port ${port} of ${bind}, by which Consul talks to other hosts, is in use by ${by}: stop that, or give another address of this machine with --bind.`,
        { reason: "PORT_IN_USE", cause },
      );
    }
    const why = code === "EADDRNOTAVAIL" ? "it is not an address of this machine" : message;
    throw new RouseError(
      "INVALID_ARGUMENT",
      `--bind ${bind} cannot be used (${why}): this machine has ${ownAddresses()}.`,
      { reason: "BIND_UNUSABLE", cause },
    );
  }
  await new Promise((resolve) => probe.close(resolve));
}

async function answering(join: readonly string[], signal: AbortSignal, patienceMs: number): Promise<void> {
  const found = new AbortController();
  const until = AbortSignal.any([signal, found.signal, AbortSignal.timeout(patienceMs)]);
  try {
    await Promise.any(join.map((address) => accepts(address)(until)));
  } catch (cause) {
    signal.throwIfAborted();
    const [host = ""] = join[0]?.split(":") ?? [];
    throw new RouseError(
      "UNAVAILABLE",
      `Nothing answers at ${join.join(" or ")}, the host to join. Is "rouse up --bind ${host}" running there, and does no firewall stand between?`,
      { reason: "JOIN_UNREACHABLE", cause },
    );
  } finally {
    found.abort();
  }
}

function ownAddresses(): string {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all
    .filter(({ family }) => family === "IPv4")
    .map(({ address }) => address)
    .join(", ");
}
