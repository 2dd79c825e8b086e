import { type Command, Option } from "commander";
import { addArtifactFlags } from "../artifact-flags.ts";
import { addBuildFlags } from "../build-flags.ts";
import { dataFolder } from "../connect.ts";
import { addHealthFlags } from "../health-flags.ts";
import { addHostFlags } from "../host-flags.ts";
import { LOOPBACK, parseJoin } from "../up/network.ts";
import {
  guardWorkHelp,
  parseAddress,
  parseControlPlanes,
  parseHost,
  parsePort,
  parseShare,
  runtimes,
  traceSamplingHelp,
  type UpOptions,
} from "../up/options.ts";
import { type PortName, type Ports, portFlag, portNames } from "../up/ports.ts";

type UpFlags = Omit<UpOptions, "ports" | "data"> & { data?: string } & Record<`${PortName}Port`, number>;

/** `rouse up`: a mesh of one host, or this host's part of one, until Ctrl-C. */
export function addUp(program: Command): void {
  const command = program
    .command("up")
    .description("run a mesh of one host, or this host's part of a larger one, until Ctrl-C")
    .option("--data <folder>", "where it keeps its state (default: ~/.local/state/rouse)")
    .addOption(new Option("--runtime <name>", "what instances run in").choices(runtimes).default("auto"))
    .option("--listen-host <host>", "address that the edge listens on", parseHost, "127.0.0.1")
    .option("--trace-sampling <share>", traceSamplingHelp, parseShare)
    .option(
      "--otlp <host:port>",
      "OTLP collector (gRPC) that the registry passes all traces and counts on to",
      parseAddress,
    )
    .option(
      "--database <url>",
      "postgresql://… of the server that keeps async calls (default: one of its own)",
    )
    .option("--open-registration", "anybody may make a provider, not only the administrator", false)
    .option("--guard-work", guardWorkHelp, false)
    .option("--examples", "build and register the packages in examples/")
    .option("--no-examples", "leave the examples alone (default)");
  command
    .option(
      "--bind <ip>",
      "address by which other hosts reach this one: makes a mesh that others can join; keep it in a private network",
      parseHost,
      LOOPBACK,
    )
    .option(
      "--join <ip[:port]>",
      "join the mesh of another host, by its --bind; repeatable: one of them must answer",
      parseJoin,
    )
    .option("--server", "vote in Consul and run a control plane on this host, too (the first host does)");
  command.option(
    "--control-planes <n>",
    "how many control planes run on this host, if any does: one takes over from another within seconds",
    parseControlPlanes,
    1,
  );
  addHealthFlags(command);
  addHostFlags(command);
  addBuildFlags(command);
  addArtifactFlags(command);
  for (const name of Object.keys(portNames) as PortName[]) {
    const { port, title } = portNames[name];
    command.option(`${portFlag(name)} <port>`, `port of ${title}; 0: any`, parsePort, port);
  }
  command.action(async (flags: UpFlags) => {
    const { run } = await import("../up/run.ts");
    await run({
      ...flags,
      examples: flags.examples === true,
      data: dataFolder(flags.data),
      ports: portsOf(flags),
    });
  });
}

function portsOf(flags: UpFlags): Ports {
  const names = Object.keys(portNames) as PortName[];
  return Object.fromEntries(names.map((name) => [name, flags[`${name}Port`]])) as Ports;
}
