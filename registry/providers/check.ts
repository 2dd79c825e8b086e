import type { CreateProviderRequest } from "#proto/rouse/registry/v1/providers.ts";
import { RouseError } from "../../sdk/errors.ts";
import { ADMINISTRATOR } from "../access.ts";
import { textFault } from "../descriptions/text.ts";
import { lookOf } from "../look-alike.ts";

/** Names that would pass for somebody with power. */
const RESERVED = new Set([ADMINISTRATOR, "admin", "root", "rouse", "system", "registry", "mesh"]);
const MAX_NAME = 100;
const MAX_CONTACT = 200;

/**
 * Checks what a new provider is called.
 *
 * @returns it, with the id where there is no name.
 * @throws RouseError INVALID_ARGUMENT PROVIDER_ID_INVALID or PROVIDER_TEXT_INVALID.
 */
export function checkProvider(request: CreateProviderRequest): CreateProviderRequest {
  const { id } = request;
  if (!/^[a-z0-9](?:-?[a-z0-9]){2,39}$/.test(id) || id.length > 40) {
    throw new RouseError(
      "INVALID_ARGUMENT",
      `${JSON.stringify(id.slice(0, 60))} cannot be a provider's id. Choose 3 to 40 of a-z, 0-9 and single hyphens between them, such as "acme-genomics".`,
      { reason: "PROVIDER_ID_INVALID" },
    );
  }
  if (RESERVED.has(id)) {
    throw new RouseError("INVALID_ARGUMENT", `"${id}" is a name of the mesh's own. Choose another id.`, {
      reason: "PROVIDER_ID_INVALID",
    });
  }
  return {
    id,
    name: line("name", request.name, MAX_NAME) || id,
    contact: line("contact", request.contact, MAX_CONTACT),
  };
}

function line(field: string, text: string, most: number): string {
  const value = text.trim().normalize("NFC");
  const fault =
    value.length > most ? `has ${value.length} characters; keep it to ${most}` : textFault(value, false);
  if (fault === undefined && (value === "" || lookOf(value) !== "")) return value;
  throw new RouseError(
    "INVALID_ARGUMENT",
    `The provider's ${field} ${fault ?? "has nothing that can be seen"}.`,
    {
      reason: "PROVIDER_TEXT_INVALID",
    },
  );
}
