import { join } from "node:path";
import { Server } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { LogIntakeService } from "#proto/rouse/intake/v1/intake.ts";
import { BuildsService } from "#proto/rouse/registry/v1/builds.ts";
import { ProvidersService } from "#proto/rouse/registry/v1/providers.ts";
import { RegistryService } from "#proto/rouse/registry/v1/registry.ts";
import { ReleasesService } from "#proto/rouse/registry/v1/releases.ts";
import { TuningService } from "#proto/rouse/registry/v1/tuning.ts";
import { LogsService, UsageService } from "#proto/rouse/usage/v1/usage.ts";
import { listen } from "../sdk/grpc.ts";
import { makeLog } from "../sdk/log.ts";
import { accessOf, adminKey } from "./access.ts";
import { type BuildsOptions, buildsService } from "./builds/index.ts";
import { BundleStore } from "./bundles.ts";
import { catalogDefinition, catalogService } from "./catalog/service.ts";
import { ConsulClient } from "./consul.ts";
import type { RegistryContext } from "./context.ts";
import { sweepBlobs } from "./descriptor-blobs.ts";
import { MeshFollower } from "./follower.ts";
import { type HttpRoute, startHttp } from "./http.ts";
import { logIntake, logsService } from "./logs/service.ts";
import { logStore } from "./logs/store.ts";
import { mcpRoute } from "./mcp/route.ts";
import { metricsRoute } from "./metrics/route.ts";
import { openApiRoute } from "./openapi/route.ts";
import { Forwarder } from "./otlp/forwarder.ts";
import { addOtlp } from "./otlp/receiver.ts";
import { announceRegistry } from "./parts.ts";
import { providersService } from "./providers/index.ts";
import { MAX_MANIFEST_BYTES } from "./registration.ts";
import { releasesService } from "./releases/service.ts";
import { registryService } from "./service.ts";
import { siteRoute } from "./site/route.ts";
import { traceStore } from "./traces/store.ts";
import { tuningService } from "./tuning/service.ts";
import { usageService } from "./usage/service.ts";
import { usageStore } from "./usage/store.ts";

export interface RegistryOptions {
  /** "host:port"; port 0: any. */
  readonly listen: string;
  /** "host:port" of the HTTP side (site, MCP, OpenAPI, metrics); default: a free port of 127.0.0.1. */
  readonly http?: string;
  /** Address of Consul, such as "127.0.0.1:8500". */
  readonly consul: string;
  /** Folder of its own: bundles, databases, the administrator's key. */
  readonly dataDir: string;
  /** "host:port" of the control plane, which knows the wakes. */
  readonly control?: string;
  /** "host:port" of an edge: calls by MCP go through it; without it there is no MCP. */
  readonly edge?: string;
  /** Anybody may make a provider; default: only the administrator. */
  readonly openRegistration?: boolean;
  readonly builds?: BuildsOptions;
  /** OTLP/gRPC collector, "host:port" or URL, that traces and metrics are passed on to. */
  readonly otlp?: string;
  readonly log?: Logger;
}

export interface RunningRegistry {
  /** "host:port" that clients dial. */
  readonly address: string;
  /** "host:port" of the HTTP side. */
  readonly httpAddress: string;
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
  const log = options.log ?? makeLog("registry", 2);
  const consul = new ConsulClient({ address: options.consul });
  const bundles = await BundleStore.open(join(options.dataDir, "bundles"));
  const mesh = new MeshFollower(consul, log);
  // Room above the limit, so that a manifest that breaks it gets our sentence rather than gRPC's.
  const server = new Server({ "grpc.max_receive_message_length": 4 * MAX_MANIFEST_BYTES });
  const access = accessOf(consul, await adminKey(options.dataDir));
  const { dataDir, openRegistration = false } = options;
  const context: RegistryContext = { consul, mesh, bundles, access, openRegistration, dataDir, log };
  server.addService(RegistryService, registryService(context));
  server.addService(ReleasesService, releasesService(context));
  server.addService(TuningService, tuningService(context));
  server.addService(ProvidersService, providersService(context));
  const catalog = catalogService(context, options.control === undefined ? {} : { control: options.control });
  server.addService(catalogDefinition, catalog.server);
  const builds = buildsService(context, options.builds);
  server.addService(BuildsService, builds.server);
  const forwarder = options.otlp === undefined ? undefined : new Forwarder(options.otlp, log);
  const received = addOtlp(server, context, forwarder);
  const metrics = metricsRoute(context, { received, forwarder, control: options.control });
  server.addService(UsageService, usageService(context));
  const logs = logsService(context);
  server.addService(LogsService, logs.server);
  server.addService(LogIntakeService, logIntake(context));
  const routes: HttpRoute[] = [metrics, siteRoute(), openApiRoute(context)];
  const mcp = options.edge === undefined ? undefined : mcpRoute(context, options.edge);
  if (mcp !== undefined) routes.push(mcp.route);
  const closeAll = () => {
    mcp?.close();
    mesh.close();
    consul.close();
    metrics.close();
    usageStore(context).close();
    traceStore(context).close();
    logStore(context).close();
  };
  try {
    const http = await startHttp(options.http ?? "127.0.0.1:0", routes, log);
    const address = await listen(server, options.listen).catch(async (thrown: unknown) => {
      await http.close();
      throw thrown;
    });
    sweepWhenReady(consul, mesh, log);
    const announced = announceRegistry(consul, { address, httpAddress: http.address }, log);
    builds.start();
    return {
      address,
      httpAddress: http.address,
      async close() {
        await announced.close();
        await http.close();
        await builds.close();
        // Their streams have no end of their own.
        catalog.close();
        logs.close();
        const cut = setTimeout(() => server.forceShutdown(), DRAIN_MS);
        await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
        clearTimeout(cut);
        await forwarder?.close();
        closeAll();
      },
    };
  } catch (thrown) {
    catalog.close();
    await builds.close();
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
