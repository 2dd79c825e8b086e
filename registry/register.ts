import type { RegisterVersionRequest, RegisterVersionResponse } from "#proto/rouse/registry/v1/registry.ts";
import { RouseError } from "../sdk/errors.ts";
import type { Caller } from "./access.ts";
import { unknownBundle } from "./bundles.ts";
import type { RegistryContext } from "./context.ts";
import { registerVersion } from "./register-version.ts";
import { parseRegistration, type Registration } from "./registration.ts";
import { gateContext } from "./releases/context.ts";
import { untilRouted } from "./routed.ts";

/**
 * Registers a version for a caller, and waits until the mesh shows it and Envoys route by it.
 *
 * @param upload - Called when the version is new and its bundle is not in the store yet.
 * @throws RouseError as the call RegisterVersion ends.
 */
export async function register(
  context: RegistryContext,
  caller: Caller,
  request: RegisterVersionRequest,
  upload: () => Promise<unknown> = async () => undefined,
): Promise<RegisterVersionResponse> {
  const { mesh, bundles } = context;
  const registration = parseRegistration(request, Date.now());
  checkMounts(context, caller, registration);
  const { artifact } = registration.deployment;
  const { service, version } = registration.manifest;
  const created = await registerVersion(gateContext(context), caller, registration, async () => {
    if (artifact.kind === "image" || (await bundles.has(artifact.digest))) return;
    await upload();
    if (await bundles.has(artifact.digest)) return;
    throw unknownBundle("FAILED_PRECONDITION", artifact.digest);
  });
  await mesh.until((state) => {
    const shown = state.services.get(service);
    const tagged = (tag: string) => shown?.tags.get(tag)?.some((entry) => entry.version === version) === true;
    return shown?.versions.has(version) === true && request.tags.every(tagged);
  });
  await untilRouted(context, service, version, request.tags);
  return { service, version, created };
}

/** A stranger's service must not see files of the hosts. */
function checkMounts(
  { openRegistration }: RegistryContext,
  caller: Caller,
  { deployment: { mounts } }: Registration,
): void {
  if (openRegistration !== true || caller.administrator || mounts.length === 0) return;
  throw new RouseError(
    "PERMISSION_DENIED",
    `${mounts[0]?.source} would show a file of the hosts. Where anybody may become a provider (--open-registration), only the administrator registers versions with mounts: put the file into the package as an asset, or ask the administrator.`,
    { reason: "MOUNT_DENIED" },
  );
}
