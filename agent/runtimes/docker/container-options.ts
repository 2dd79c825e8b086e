import { createHash } from "node:crypto";
import type { ContainerCreateOptions } from "dockerode";
import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";
import { instanceEnvironment } from "../environment.ts";
import { startCpus } from "../start-cpus.ts";

/** Where the mesh's run folder is within a container. */
export const containerRun = "/run/rouse";
/** Where containers find what V8 compiled of their bundle. */
export const cacheTarget = "/var/cache/node";
/** Where a service listens when its image names no port. */
export const defaultPort = 50_051;

/** Labels by which an agent knows its containers. */
export const labels = {
  owner: "rouse.agent",
  kind: "rouse.kind",
  instance: "rouse.instance",
} as const;

/** What containers of one agent have in common. */
export interface ContainerSettings {
  readonly host: string;
  readonly zone?: string | undefined;
  /** IPv4 address of this host at which other hosts reach its containers; 127.0.0.1: there are no others. */
  readonly bind: string;
  readonly owner: string;
  /** The run folder on the host. */
  readonly run: string;
  readonly meshTarget: string;
  readonly otlpEndpoint: string | undefined;
  /** "uid:gid" of containers whose image names no user. */
  readonly user: string;
  readonly maxLogBytes: number;
}

/** What is known of the image. */
export interface ImageFacts {
  /** "sha256:…" */
  readonly id: string;
  /** Its own user; "" for root. */
  readonly user: string;
  /** Folders for which the engine would make volumes. */
  readonly volumes?: readonly string[];
  /** Folder with what V8 compiled of its bundle, if there is one. */
  readonly compileCache?: string | undefined;
}

/** Port of a spec's server within its container. */
export function portOf(spec: InstanceSpec): number {
  return spec.imagePort || defaultPort;
}

/**
 * The container of an instance, but for its name and its network. Locked down: read-only root, no capabilities, no new
 * privileges, no root user, bounded processes, memory without swap, and output.
 *
 * What that costs of a start of 85 ms (measured by leaving out one at a time): the engine's seccomp profile about 10 ms;
 * init, tmpfs, limits, and the log's bounds less than can be told from noise.
 */
export function containerOptions(
  spec: InstanceSpec,
  image: ImageFacts,
  slot: string,
  settings: ContainerSettings,
): ContainerCreateOptions {
  const { host, zone, owner, run, maxLogBytes } = settings;
  const environment = instanceEnvironment(spec, {
    host,
    zone,
    instance: slot,
    listen: `0.0.0.0:${portOf(spec)}`,
    notify: `${containerRun}/notify.sock`,
    mesh: withinContainer(settings.meshTarget, run),
    ownNetwork: true,
    app: spec.image === "" ? "/app" : undefined,
    otlpEndpoint: settings.otlpEndpoint && withinContainer(settings.otlpEndpoint, run),
  });
  const cache = image.compileCache;
  const root = image.user === "" || /^(root|0)(:|$)/.test(image.user);
  return {
    Image: image.id,
    ...(spec.imageCommand.length > 0 ? { Cmd: [...spec.imageCommand] } : {}),
    Env: [
      ...(cache === undefined ? [] : [`NODE_COMPILE_CACHE=${cacheTarget}`]),
      ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ],
    ...(root || spec.image === "" ? { User: settings.user } : {}),
    Labels: {
      [labels.owner]: owner,
      [labels.kind]: "instance",
      [labels.instance]: slot,
      "rouse.host": host,
      "rouse.service": spec.service,
      "rouse.version": spec.version,
    },
    HostConfig: {
      NanoCpus: Math.round(startCpus(spec.cpu) * 1e9),
      Memory: spec.memoryBytes,
      MemorySwap: spec.memoryBytes,
      PidsLimit: 512,
      ReadonlyRootfs: true,
      Tmpfs: { "/tmp": "rw,nosuid,nodev,mode=1777,size=64m" },
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Init: true,
      Mounts: [
        { Type: "bind", Source: run, Target: containerRun, ReadOnly: true },
        ...(cache === undefined
          ? []
          : [{ Type: "bind" as const, Source: cache, Target: cacheTarget, ReadOnly: true }]),
        ...spec.mounts.map(({ source, target }) => ({
          Type: "bind" as const,
          Source: source,
          Target: target,
          ReadOnly: true,
        })),
      ],
      LogConfig: {
        Type: "json-file",
        Config: { "max-size": `${Math.ceil(maxLogBytes / 2 / 1024)}k`, "max-file": "2" },
      },
      ...(spec.gpu > 0 ? { DeviceRequests: [{ Count: spec.gpu, Capabilities: [["gpu"]] }] } : {}),
    },
  };
}

/** Names all that a pre-created container was made from: it may stand in only for a start with the same. */
export function optionsHash(spec: InstanceSpec, image: ImageFacts, settings: ContainerSettings): string {
  const options = containerOptions(spec, image, "", settings);
  return createHash("sha256").update(JSON.stringify(options)).digest("hex").slice(0, 16);
}

/** A unix socket of the run folder has another path within the container. */
function withinContainer(target: string, run: string): string {
  const prefix = `unix:${run}/`;
  return target.startsWith(prefix) ? `unix:${containerRun}/${target.slice(prefix.length)}` : target;
}
