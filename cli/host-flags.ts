import { hostname } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import { parseMemory } from "../codegen/plugin/memory.ts";

/** What a host says of itself on the command line; what is left out, its agent finds out. */
export interface HostFlags {
  readonly host: string;
  readonly cpu?: number;
  /** MiB. */
  readonly memory?: number;
  readonly gpu?: number;
  readonly label: Readonly<Record<string, string>>;
  readonly zone?: string;
  readonly cost?: number;
  readonly speed?: number;
  /** MiB. */
  readonly keepFree?: number;
}

/** Adds the flags that describe a host to a command. */
export function addHostFlags(command: Command): Command {
  return command
    .option("--host <name>", "name of this host in the mesh", parseHostName, hostname())
    .option("--cpu <cores>", "cores to give away (default: the machine's)", positive)
    .option("--memory <amount>", "memory to give away, such as 16Gi (default: the machine's)", mebibytes)
    .option("--gpu <count>", "GPUs to give away", positive)
    .option("--label <name=value>", "a fact that placement may ask for; may be repeated", label, {})
    .option("--zone <name>", "where the host stands: hosts of one zone may fail together")
    .option("--cost <per hour>", "what the host costs per hour, in any one currency", notNegative)
    .option("--speed <factor>", "how fast a core is, beside a usual one (default: 1)", positive)
    .option(
      "--keep-free <amount>",
      "real memory, such as 1Gi, below which instances on standby are evicted (default: 5 % of the machine's)",
      mebibytes,
    );
}

/** The same as arguments, for a process that is told them. */
export function hostArguments(flags: HostFlags): string[] {
  const { host, label: labels, ...rest } = flags;
  const keepFree = rest.keepFree === undefined ? [] : ["--keep-free", String(rest.keepFree)];
  const optional = (["cpu", "memory", "gpu", "zone", "cost", "speed"] as const).flatMap((name) =>
    rest[name] === undefined ? [] : [`--${name}`, String(rest[name])],
  );
  return [
    "--host",
    host,
    ...Object.entries(labels).flatMap(([name, value]) => ["--label", `${name}=${value}`]),
    ...optional,
    ...keepFree,
  ];
}

function parseHostName(text: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError(
    `"${text}" is no name of a host: at most 63 letters, digits, dots, - and _, beginning and ending with a letter or digit.`,
  );
}

function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("It must be a number above 0.");
}

/** "16Gi", or MiB without a unit. */
function mebibytes(text: string): number {
  const mib = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (parseMemory(text) ?? 0) / 2 ** 20;
  if (mib > 0 && Number.isFinite(mib)) return mib;
  throw new InvalidArgumentError(
    `"${text}" is no amount of memory: give a number and a unit such as 512Mi or 16Gi, or MiB without a unit.`,
  );
}

function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("It must be a number of 0 or more.");
}

function label(text: string, before: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([A-Za-z0-9_-]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError("It must be name=value.");
  return { ...before, [name]: value };
}
