import { posix } from "node:path";
import type { ContainerCreateOptions } from "dockerode";
import { containerRun, type ImageFacts, labels } from "../runtimes/docker/container-options.ts";
import { startCpus } from "../runtimes/start-cpus.ts";
import type { CheckedJob } from "./spec.ts";

/** The one folder that a job may write to; it is memory of the job's own. */
export const SCRATCH = "/tmp";
/** Name of the socket in its folder. */
export const SOCKET = "job.sock";

/** What a job's container is made of beside its spec. */
export interface JobSettings {
  /** Data folder of the agent. */
  readonly owner: string;
  /** "uid:gid" of containers whose image names nobody who surely is not root. */
  readonly user: string;
  readonly maxLogBytes: number;
}

/**
 * The container of a job: no network at all, a read-only root, no capability, no way to gain one, the engine's own seccomp profile,
 * bounded processes, memory without swap, and of the host nothing but the folder of the job's socket.
 *
 * @param folder of the socket, on the host.
 */
export function jobContainer(
  id: string,
  spec: CheckedJob,
  image: ImageFacts,
  folder: string,
  { owner, user, maxLogBytes }: JobSettings,
): ContainerCreateOptions {
  const { program, diskBytes, processes } = spec;
  const memory = program.memoryBytes + diskBytes;
  return {
    name: containerName(owner, id),
    Image: image.id,
    ...(program.imageCommand.length > 0 ? { Cmd: [...program.imageCommand] } : {}),
    Env: Object.entries(environment(id, spec)).map(([name, value]) => `${name}=${value}`),
    // A name may stand for anybody in the image's own /etc/passwd.
    User: /^[1-9]\d*(:\d+)?$/.test(image.user) ? image.user : user,
    // The name of the container would tell of the host.
    Hostname: "job",
    Labels: {
      [labels.owner]: owner,
      [labels.kind]: "job",
      [labels.instance]: id,
      "rouse.service": program.service,
      "rouse.version": program.version,
    },
    HostConfig: {
      NetworkMode: "none",
      // The host's own would tell of its network.
      Dns: ["127.0.0.1"],
      DnsSearch: ["."],
      // What is more than declared is lent for the start, and taken back a moment later.
      NanoCpus: nanoCpus(startCpus(program.cpu)),
      Memory: memory,
      MemorySwap: memory,
      PidsLimit: processes,
      // Where the host itself lacks memory, services come before jobs.
      OomScoreAdj: 500,
      ReadonlyRootfs: true,
      Tmpfs: { [SCRATCH]: `rw,exec,nosuid,nodev,mode=1777,size=${diskBytes}` },
      IpcMode: "private",
      // Memory as well, for programs that share it among their processes.
      ShmSize: diskBytes,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
      Init: true,
      Mounts: [
        { Type: "bind", Source: folder, Target: containerRun, ReadOnly: true },
        // Else the engine would make a volume on the host's disk, without bounds.
        ...(image.volumes ?? []).filter(isOwn).map((target) => ({
          Type: "tmpfs" as const,
          Source: "",
          Target: target,
          TmpfsOptions: { SizeBytes: diskBytes, Mode: 0o1777 },
        })),
      ],
      LogConfig: {
        Type: "json-file",
        Config: { "max-size": `${Math.ceil(maxLogBytes / 2 / 1024)}k`, "max-file": "2" },
      },
      ...(program.gpu > 0 ? { DeviceRequests: [{ Count: program.gpu, Capabilities: [["gpu"]] }] } : {}),
    },
  };
}

/** Whether a folder is mounted because of the image alone. */
function isOwn(folder: string): boolean {
  return ![SCRATCH, containerRun].includes(posix.normalize(folder).replace(/(.)\/$/, "$1"));
}

export function nanoCpus(cores: number): number {
  return Math.round(cores * 1e9);
}

/** One engine may serve several agents. */
export function containerName(owner: string, id: string): string {
  return `rouse-job-${owner.slice(0, 8)}-${id}`;
}

/** What the deployment declares comes first, so that it cannot overrule what is said here. */
function environment(id: string, { program, method }: CheckedJob): Record<string, string> {
  return {
    ...program.env,
    HOME: SCRATCH,
    TMPDIR: SCRATCH,
    ROUSE_JOB: `unix:${containerRun}/${SOCKET}`,
    ROUSE_JOB_ID: id,
    ROUSE_JOB_METHOD: method,
    ROUSE_SERVICE: program.service,
    ROUSE_VERSION: program.version,
    ...(program.image === "" && { ROUSE_APP: "/app" }),
  };
}
