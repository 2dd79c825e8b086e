import { join } from "node:path";
import { type Command, Option } from "commander";
import { type RuntimeName, runtimeNames } from "../../agent/runtimes/runtime.ts";
import { startAgent } from "../../agent/server.ts";
import { dataFolder } from "../connect.ts";
import { addHostFlags, type HostFlags } from "../host-flags.ts";
import { LOOPBACK } from "../up/network.ts";
import { parseHost, parseShare, traceSamplingHelp } from "../up/options.ts";

interface AgentFlags extends HostFlags {
  readonly listen: string;
  readonly consul: string;
  readonly registry: string;
  readonly runtime: RuntimeName | "auto";
  readonly meshTarget?: string;
  readonly otlp?: string;
  readonly bind: string;
  readonly traceSampling?: number;
  readonly stopInstances?: boolean;
}

/** `rouse agent`: runs instances on this host. */
export function addAgent(program: Command): void {
  const command = program.command("agent").description("run instances on this host (one agent per host)");
  addHostFlags(command)
    .option("--listen <host:port>", "where the agent's API listens", "127.0.0.1:8073")
    .option("--bind <ip>", "address of this host at which instances listen", parseHost, LOOPBACK)
    .option("--consul <host:port>", "Consul", "127.0.0.1:8500")
    .option("--registry <host:port>", "the registry, from where bundles come", "127.0.0.1:8071")
    .addOption(
      new Option("--runtime <name>", "how instances are run")
        .choices(["auto", ...runtimeNames])
        .default("auto"),
    )
    .option(
      "--mesh-target <target>",
      "Envoy's internal listener as instances reach it (default: run/mesh.sock)",
    )
    .option("--otlp <target>", "where instances send traces", process.env.OTEL_EXPORTER_OTLP_ENDPOINT)
    .option("--trace-sampling <share>", traceSamplingHelp, parseShare)
    .option(
      "--stop-instances",
      "stop what runs when the agent ends, in place of leaving it to the next agent",
    )
    .action(run);
}

async function run(flags: AgentFlags): Promise<void> {
  const dataDir = dataFolder();
  // Instances get it from this process's environment.
  if (flags.traceSampling !== undefined) process.env.OTEL_TRACES_SAMPLER_ARG = String(flags.traceSampling);
  const { cpu, gpu, memory, otlp, zone, cost, speed, keepFree } = flags;
  const agent = await startAgent({
    host: flags.host,
    listen: flags.listen,
    dataDir,
    bind: flags.bind,
    consul: flags.consul,
    registry: flags.registry,
    runtime: flags.runtime,
    meshTarget: flags.meshTarget ?? `unix:${join(dataDir, "run", "mesh.sock")}`,
    labels: flags.label,
    ...(otlp === undefined ? {} : { otlpEndpoint: otlp }),
    ...(cpu === undefined ? {} : { cpu }),
    ...(gpu === undefined ? {} : { gpu }),
    ...(memory === undefined ? {} : { memoryBytes: memory * 2 ** 20 }),
    ...(zone === undefined ? {} : { zone }),
    ...(cost === undefined ? {} : { costPerHour: cost }),
    ...(speed === undefined ? {} : { speed }),
    ...(keepFree === undefined ? {} : { keepFreeBytes: keepFree * 2 ** 20 }),
  });
  let closing = false;
  const stop = (stopInstances: boolean) => {
    if (closing) process.exit(1);
    closing = true;
    void agent.close({ stopInstances }).then(() => process.exit(0));
  };
  process.on("SIGTERM", () => stop(flags.stopInstances ?? false));
  process.on("SIGINT", () => stop(flags.stopInstances ?? false));
  // `rouse up` on its way out: nothing is to be left.
  process.on("SIGUSR2", () => stop(true));
}
