import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import { type Logger, pino } from "pino";
import { RegistryService } from "#proto/rouse/registry/v1/registry.ts";
import { listen } from "../sdk/grpc.ts";
import { BundleStore } from "./bundles.ts";
import { ConsulClient } from "./consul.ts";
import { sweepBlobs } from "./descriptor-blobs.ts";
import { MeshFollower } from "./follower.ts";
import { MAX_MANIFEST_BYTES } from "./registration.ts";
import { registryService } from "./service.ts";

export interface RegistryOptions {
  /** "host:port"; port 0: any. */
  readonly listen: string;
  /** Address of Consul, such as "127.0.0.1:8500". */
  readonly consul: string;
  /** Folder of its own; bundles are in `bundles` below it. */
  readonly dataDir: string;
  readonly log?: Logger;
}

export interface RunningRegistry {
  /** "host:port" that clients dial. */
  readonly address: string;
  /** Lets calls in progress end for 5 s, then cuts them off. */
  close(): Promise<void>;
}

/** How long close() waits for calls in progress; ms. */
const DRAIN_MS = 5_000;

/**
 * Starts the registry. It listens also while Consul is away; calls then end with UNAVAILABLE and say so.
 *
 * @throws RouseError ADDRESS_IN_USE, ADDRESS_UNUSABLE, CONSUL_ADDRESS_INVALID.
 */
export async function startRegistry(options: RegistryOptions): Promise<RunningRegistry> {
  const log = options.log ?? pino({ name: "registry" }, pino.destination(2));
  const consul = new ConsulClient({ address: options.consul });
  const bundles = await BundleStore.open(join(options.dataDir, "bundles"));
  const mesh = new MeshFollower(consul, log);
  // Room above the limit, so that a manifest that breaks it gets our sentence rather than gRPC's.
  const server = new Server({ "grpc.max_receive_message_length": 2 * MAX_MANIFEST_BYTES });
  server.addService(RegistryService, registryService({ consul, mesh, bundles }));
  const closeAll = () => {
    mesh.close();
    consul.close();
  };
  try {
    const address = await listen(server, options.listen);
    sweepWhenReady(consul, mesh, log);
    return {
      address,
      async close() {
        const cut = setTimeout(() => server.forceShutdown(), DRAIN_MS);
        await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
        clearTimeout(cut);
        closeAll();
      },
    };
  } catch (thrown) {
    closeAll();
    throw thrown;
  }
}

function sweepWhenReady(consul: ConsulClient, mesh: MeshFollower, log: Logger): void {
  mesh
    .state()
    .then(() => sweepBlobs(consul))
    .then(
      (count) =>
        count > 0 && log.info({ count }, "Deleted descriptor sets of registrations that were cut off"),
    )
    .catch((err) => log.warn({ err }, "Leftovers of former registrations stay until the next start"));
}
