import { randomInt } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { RouseError } from "../../sdk/errors.ts";
import { typedFlag } from "../flags.ts";
import { portHolder } from "./holder.ts";

/** What listens on a port of its own, with the default port and what people call it. */
export const portNames = {
  edge: { port: 8080, title: "the edge" },
  mesh: { port: 8081, title: "the internal listener" },
  consul: { port: 8500, title: "Consul" },
  registry: { port: 8071, title: "the registry" },
  registryHttp: { port: 8070, title: "the registry's HTTP side" },
  control: { port: 8072, title: "the control plane" },
  agent: { port: 8073, title: "the agent" },
  orders: { port: 8074, title: "orders" },
  ordersHttp: { port: 8075, title: "the HTTP side of orders" },
  envoyAdmin: { port: 9901, title: "Envoy's admin page" },
} as const;

export type PortName = keyof typeof portNames;
export type Ports = Record<PortName, number>;

/** The command line flag of a port, such as "--envoy-admin-port". */
export function portFlag(name: PortName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}-port`;
}

/**
 * Settles all ports: 0 becomes a free one, any other must be free.
 *
 * @param host the address that a port is bound on.
 * @param names which; default: all.
 * @throws RouseError FAILED_PRECONDITION PORT_IN_USE naming the holder and the flag.
 */
export async function settlePorts(
  wanted: Ports,
  host: (name: PortName) => string,
  names: readonly PortName[] = Object.keys(portNames) as PortName[],
): Promise<Ports> {
  const settled = { ...wanted };
  const held: { close(): Promise<void> }[] = [];
  try {
    // All are held at the same time, so that no free port is given twice.
    for (const name of names) {
      const port = await holdPort(host(name), wanted[name], (cause) => inUse(name, wanted[name], cause));
      settled[name] = port.port;
      held.push(port);
    }
    return settled;
  } finally {
    await Promise.all(held.map((port) => port.close()));
  }
}

/** Ports of an address of this host that are free at this moment, all different. */
export async function freePorts(count: number, host = "127.0.0.1"): Promise<number[]> {
  const held = await Promise.all(Array.from({ length: count }, () => holdPort(host, 0, RouseError.from)));
  await Promise.all(held.map((port) => port.close()));
  return held.map(({ port }) => port);
}

/** True when nobody listens on a port of 127.0.0.1. */
export async function isFree(port: number): Promise<boolean> {
  try {
    await (await holdPort("127.0.0.1", port, RouseError.from)).close();
    return true;
  } catch {
    return false;
  }
}

/**
 * Ports for "any": below those that systems give to outgoing connections, which would take one between its choice and
 * its use. https://docs.kernel.org/networking/ip-sysctl.html, ip_local_port_range
 */
const ANY = { from: 10_000, to: 32_767 };
const MOST_TRIES = 100;
/** Ports that this process has chosen or was told; those who get them may not listen yet. */
const given = new Set<number>();

async function holdPort(host: string, port: number, fail: (error: NodeJS.ErrnoException) => RouseError) {
  given.add(port);
  for (let tries = 0; port === 0 && tries < MOST_TRIES; tries++) {
    const chosen = randomInt(ANY.from, ANY.to + 1);
    if (given.has(chosen)) continue;
    const held = await hold(host, chosen).catch((): undefined => undefined);
    if (held === undefined) continue;
    given.add(chosen);
    return held;
  }
  return hold(host, port).catch((error: NodeJS.ErrnoException) => {
    throw fail(error);
  });
}

async function hold(host: string, port: number) {
  const server = createServer().listen({ host, port, exclusive: true });
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function inUse(name: PortName, port: number, cause: NodeJS.ErrnoException): RouseError {
  const { title } = portNames[name];
  const flag = typedFlag(portFlag(name));
  if (cause.code !== "EADDRINUSE")
    return new RouseError(
      "FAILED_PRECONDITION",
      `Port ${port} for ${title} cannot be used (${cause.message}): choose another with ${flag}.`,
      { reason: "PORT_UNUSABLE", cause },
    );
  const holder = portHolder(port);
  const by = holder === undefined ? "another program" : `process ${holder.pid} (${holder.command})`;
  return new RouseError(
    "FAILED_PRECONDITION",
    `Port ${port} for ${title} is in use by ${by}: stop that, or choose another port with ${flag} (0: any).`,
    { reason: "PORT_IN_USE", cause },
  );
}
