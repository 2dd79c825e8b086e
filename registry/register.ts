import type { RegisterVersionRequest, RegisterVersionResponse } from "#proto/rouse/registry/v1/registry.ts";
import type { Caller } from "./access.ts";
import { unknownBundle } from "./bundles.ts";
import type { RegistryContext } from "./context.ts";
import { registerVersion } from "./register-version.ts";
import { parseRegistration } from "./registration.ts";
import { gateContext } from "./releases/context.ts";

/**
 * Registers a version for a caller, and waits until the mesh shows it.
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
  return { service, version, created };
}
