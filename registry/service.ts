import type { handleClientStreamingCall } from "@grpc/grpc-js";
import type {
  Artifact,
  PutBundleRequest,
  PutBundleResponse,
  RegistryServer,
} from "#proto/rouse/registry/v1/registry.ts";
import { answer, statusObject } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";
import { type Access, mayChange } from "./access.ts";
import { barredVersions } from "./approval.ts";
import type { BundleStore } from "./bundles.ts";
import type { RegistryContext } from "./context.ts";
import { EMPTY_ABOUT } from "./descriptions/about.ts";
import { deprecate } from "./descriptions/deprecate.ts";
import { listRevisions, updateDescription } from "./descriptions/revisions.ts";
import { getManifest } from "./get-manifest.ts";
import { historyStep, trimHistory } from "./history/index.ts";
import { describeService } from "./live-state.ts";
import { register } from "./register.ts";
import { gateContext } from "./releases/context.ts";
import { guardTag } from "./releases/tag-guard.ts";
import { sharesOf } from "./releases/tag-moves.ts";
import { removeVersion } from "./remove-version.ts";
import { untilRouted } from "./routed.ts";
import { sendBundle } from "./send-bundle.ts";
import { readService } from "./service-record.ts";
import { setTag } from "./set-tag.ts";
import { unknownService, unknownVersion } from "./spec.ts";
import type { Deployment, ServiceState } from "./state.ts";

/** The service rouse.registry.v1.Registry. What it writes, ListServices shows from then on. */
export function registryService(context: RegistryContext): RegistryServer {
  const { consul, mesh, bundles, access } = context;
  const gate = gateContext(context);
  const known = async (service: string): Promise<ServiceState> => {
    const state = await mesh.state();
    const found = state.services.get(service);
    if (found === undefined) throw unknownService(service, state.services.keys());
    return found;
  };
  const noVersion = async (service: string, version: string) => {
    await known(service);
    return unknownVersion({ service, ...(await readService(consul, service)) }, version);
  };
  return {
    registerVersion: answer(async (request, metadata) =>
      register(context, await access.identify(metadata), request),
    ),
    updateDescription: answer(async ({ service, version, revision, about }, metadata) => {
      const caller = await access.identify(metadata);
      await mayChange(context, caller, service);
      const update = { service, version, revision, about: about ?? EMPTY_ABOUT };
      const now = await updateDescription(context, caller, update, Date.now());
      if (now === undefined) throw await noVersion(service, version);
      return { revision: now };
    }),
    listRevisions: answer(async ({ service, version }) => {
      const revisions = await listRevisions(context, service, version);
      if (revisions === undefined) throw await noVersion(service, version);
      return { revisions };
    }),
    deprecateVersion: answer(async ({ service, version, reason }, metadata) => {
      const caller = await access.identify(metadata);
      await mayChange(context, caller, service);
      if (!(await deprecate(context, caller, service, version, reason)))
        throw await noVersion(service, version);
      return {};
    }),
    removeVersion: answer(async ({ service, version }, metadata) => {
      const caller = await access.identify(metadata);
      await known(service);
      await mayChange(context, caller, service);
      await removeVersion(consul, caller.id, service, version);
      await mesh.until((state) => state.services.get(service)?.versions.has(version) !== true);
      return {};
    }),
    listServices: answer(async ({ service }) => {
      if (service !== "") return { services: [describeService(service, await known(service))] };
      const { services } = await mesh.state();
      const sorted = [...services].sort(([a], [b]) => (a < b ? -1 : 1));
      return { services: sorted.map(([name, state]) => describeService(name, state)) };
    }),
    getManifest: answer(async ({ service, spec }) => {
      const barred = barredVersions(await known(service));
      const { manifest, deployment } = await getManifest(consul, service, spec, barred);
      const bytes = Buffer.from(JSON.stringify(manifest));
      return { version: manifest.version, manifest: bytes, artifact: artifactMessage(deployment) };
    }),
    setTag: answer(async ({ service, tag }, metadata) => {
      const caller = await access.identify(metadata);
      await known(service);
      await mayChange(context, caller, service);
      const name = tag?.name ?? "";
      const versions = tag?.versions ?? [];
      const previous = await setTag(consul, service, name, versions, caller.id, async (record) => {
        await guardTag(gate, service, name, versions, record);
        const before = sharesOf(record.tags[name] ?? []);
        return [
          historyStep({
            service,
            by: caller.id,
            what: "tagged",
            tag: name,
            version: versions.length === 1 ? (versions[0]?.version ?? "") : "",
            detail: `names ${sharesOf(versions)}, before ${before}`,
          }),
        ];
      });
      await trimHistory(consul, service);
      const wanted = JSON.stringify(versions);
      await mesh.until(
        (state) => JSON.stringify(state.services.get(service)?.tags.get(name) ?? []) === wanted,
      );
      for (const { version } of versions) await untilRouted(context, service, version, [name]);
      return { previous: [...previous] };
    }),
    putBundle: putBundle(bundles, access),
    getBundle: (call) => sendBundle(call, bundles.get(call.request.digest)),
  };
}

function artifactMessage({ artifact }: Deployment): Artifact {
  if (artifact.kind === "bundle") return { kind: { $case: "bundle", value: artifact.digest } };
  const { name, port, command } = artifact;
  return { kind: { $case: "image", value: { name, port, command: [...command] } } };
}

function putBundle(
  bundles: BundleStore,
  access: Access,
): handleClientStreamingCall<PutBundleRequest, PutBundleResponse> {
  return (call, callback) => {
    const chunks = async function* () {
      for await (const { chunk } of call as AsyncIterable<PutBundleRequest>) yield chunk;
    };
    // grpc-js ends the stream of a caller that goes away as if it had said all, and tells only afterwards.
    const givenUp = new AbortController();
    call.on("cancelled", () => givenUp.abort(new RouseError("CANCELLED", "The upload was given up.")));
    const stored = access
      .identify(call.metadata)
      .then(() => bundles.put(chunks(), { signal: givenUp.signal }));
    stored.then(
      (stored) => callback(null, stored),
      (thrown: unknown) => callback(statusObject(thrown)),
    );
  };
}
