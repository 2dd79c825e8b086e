import type { handleClientStreamingCall, handleServerStreamingCall } from "@grpc/grpc-js";
import type {
  Artifact,
  GetBundleRequest,
  GetBundleResponse,
  PutBundleRequest,
  PutBundleResponse,
  RegistryServer,
} from "#proto/rouse/registry/v1/registry.ts";
import { answer, statusObject } from "../sdk/answer.ts";
import { RouseError } from "../sdk/errors.ts";
import { type BundleStore, unknownBundle } from "./bundles.ts";
import type { RegistryContext } from "./context.ts";
import { getManifest } from "./get-manifest.ts";
import { describeService } from "./live-state.ts";
import { registerVersion } from "./register-version.ts";
import { parseRegistration } from "./registration.ts";
import { removeVersion } from "./remove-version.ts";
import { setTag } from "./set-tag.ts";
import { unknownService } from "./spec.ts";
import type { Deployment, ServiceState } from "./state.ts";

/** The service rouse.registry.v1.Registry. What it writes, ListServices shows from then on. */
export function registryService({ consul, mesh, bundles }: RegistryContext): RegistryServer {
  const known = async (service: string): Promise<ServiceState> => {
    const state = await mesh.state();
    const found = state.services.get(service);
    if (found === undefined) throw unknownService(service, state.services.keys());
    return found;
  };
  return {
    registerVersion: answer(async (request) => {
      const registration = parseRegistration(request, Date.now());
      const { artifact } = registration.deployment;
      const { service, version } = registration.manifest;
      const created = await registerVersion(consul, registration, async () => {
        if (artifact.kind === "image" || (await bundles.has(artifact.digest))) return;
        throw unknownBundle("FAILED_PRECONDITION", artifact.digest);
      });
      await mesh.until((state) => {
        const shown = state.services.get(service);
        const tagged = (tag: string) =>
          shown?.tags.get(tag)?.some((entry) => entry.version === version) === true;
        return shown?.versions.has(version) === true && request.tags.every(tagged);
      });
      return { service, version, created };
    }),
    removeVersion: answer(async ({ service, version }) => {
      await known(service);
      await removeVersion(consul, service, version);
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
      await known(service);
      const { manifest, deployment } = await getManifest(consul, service, spec);
      const bytes = Buffer.from(JSON.stringify(manifest));
      return { version: manifest.version, manifest: bytes, artifact: artifactMessage(deployment) };
    }),
    setTag: answer(async ({ service, tag }) => {
      await known(service);
      const name = tag?.name ?? "";
      const versions = tag?.versions ?? [];
      const previous = await setTag(consul, service, name, versions);
      const wanted = JSON.stringify(versions);
      await mesh.until(
        (state) => JSON.stringify(state.services.get(service)?.tags.get(name) ?? []) === wanted,
      );
      return { previous: [...previous] };
    }),
    putBundle: putBundle(bundles),
    getBundle: getBundle(bundles),
  };
}

function artifactMessage({ artifact }: Deployment): Artifact {
  if (artifact.kind === "bundle") return { kind: { $case: "bundle", value: artifact.digest } };
  const { name, port, command } = artifact;
  return { kind: { $case: "image", value: { name, port, command: [...command] } } };
}

function putBundle(bundles: BundleStore): handleClientStreamingCall<PutBundleRequest, PutBundleResponse> {
  return (call, callback) => {
    const chunks = async function* () {
      for await (const { chunk } of call as AsyncIterable<PutBundleRequest>) yield chunk;
    };
    // grpc-js ends the stream of a caller that goes away as if it had said all, and tells only afterwards.
    const givenUp = new AbortController();
    call.on("cancelled", () => givenUp.abort(new RouseError("CANCELLED", "The upload was given up.")));
    bundles.put(chunks(), { signal: givenUp.signal }).then(
      (stored) => callback(null, stored),
      (thrown: unknown) => callback(statusObject(thrown)),
    );
  };
}

function getBundle(bundles: BundleStore): handleServerStreamingCall<GetBundleRequest, GetBundleResponse> {
  return async (call) => {
    const gone = new Promise<void>((resolve) => call.on("cancelled", () => resolve()));
    try {
      for await (const chunk of bundles.get(call.request.digest)) {
        if (call.cancelled) return;
        if (call.write({ chunk })) continue;
        const drained = new Promise<void>((resolve) => call.once("drain", () => resolve()));
        await Promise.race([drained, gone]);
      }
      call.end();
    } catch (thrown) {
      call.emit("error", statusObject(thrown));
    }
  };
}
