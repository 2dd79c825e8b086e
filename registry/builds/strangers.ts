import { RouseError } from "../../sdk/errors.ts";
import type { Caller } from "../access.ts";
import type { RegistryContext } from "../context.ts";
import type { BuildOrder } from "./request.ts";
import type { Sandbox } from "./sandbox.ts";

/**
 * Where anybody may become a provider, a provider is a stranger: what only this host can clone is not for them, and their code is
 * not run where it cannot be locked in.
 *
 * @param sandbox asked for when it matters.
 * @throws RouseError PERMISSION_DENIED BUILD_NOT_FOR_STRANGERS.
 */
export async function checkStranger(
  { openRegistration }: RegistryContext,
  caller: Caller,
  { repository }: BuildOrder,
  sandbox: () => Promise<Sandbox>,
): Promise<void> {
  if (openRegistration !== true || caller.administrator) return;
  if (!/^(https?|git):\/\//.test(repository)) {
    throw refused(
      "only the administrator builds from the registry's own disk, or with its ssh key. Give an https, http or git URL",
    );
  }
  if (!(await sandbox()).endsAll) {
    throw refused(
      "only the administrator builds on a host that cannot lock a build in. Register from your own machine, or let the administrator allow namespaces to the registry",
    );
  }
}

function refused(what: string): RouseError {
  return new RouseError(
    "PERMISSION_DENIED",
    `Where anybody may become a provider (--open-registration), ${what}.`,
    { reason: "BUILD_NOT_FOR_STRANGERS" },
  );
}
