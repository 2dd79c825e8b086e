import { execFileSync } from "node:child_process";

/** A bridge of an engine's own, in a network of 16 bits. */
export interface Bridge {
  readonly name: string;
  remove(): void;
}

/** No test host has an address in them, nor does an engine choose them by itself. */
const networks = [251, 252, 253, 254];

/**
 * Makes a bridge for a second engine on this machine: that which runs already has docker0 with its addresses.
 *
 * @throws Error when it cannot be made, as without root, "ip" or "iptables", or where all of {@link networks} are in use.
 */
export function makeBridge(): Bridge {
  // An interface has at most 15 characters.
  const name = `rouse-${process.pid}`;
  const used = `${ip("-o", "-4", "addr")} ${ip("-o", "-4", "route")}`;
  const network = networks.find((number) => !used.includes(` 10.${number}.`));
  if (network === undefined)
    throw new Error(
      `No network is free for a bridge: of 10.${networks.join(", 10.")} each is in use; see "ip addr".`,
    );
  // Where bridged packets pass the firewall, that of another engine may drop them.
  const rule = ["FORWARD", "-i", name, "-o", name, "-j", "ACCEPT"];
  ip("link", "add", "name", name, "type", "bridge");
  const remove = () => ip("link", "del", name);
  try {
    ip("addr", "add", `10.${network}.0.1/16`, "dev", name);
    ip("link", "set", name, "up");
    run("iptables", "-w", "-I", ...rule);
  } catch (error) {
    remove();
    throw error;
  }
  return {
    name,
    remove() {
      run("iptables", "-w", "-D", ...rule);
      remove();
    },
  };
}

function ip(...args: readonly string[]): string {
  return run("ip", ...args);
}

function run(program: string, ...args: readonly string[]): string {
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
  return execFileSync(program, args, { encoding: "utf8", env: { ...process.env, PATH } });
}
