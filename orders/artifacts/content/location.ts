import { isAbsolute } from "node:path";
import { RouseError } from "../../../sdk/errors.ts";

/** Where contents are kept. */
export type ContentLocation =
  | { readonly kind: "folder"; readonly folder: string }
  | {
      readonly kind: "s3";
      readonly bucket: string;
      /** Empty, or ends with "/". */
      readonly prefix: string;
      /** Of a store that is not Amazon's, such as "http://127.0.0.1:9000". */
      readonly endpoint?: string;
      readonly region?: string;
    };

/**
 * Reads an absolute folder, or "s3://bucket/prefix?endpoint=https://host:port&region=name".
 *
 * @throws RouseError INVALID_ARGUMENT ARTIFACT_LOCATION_INVALID.
 */
export function parseLocation(text: string): ContentLocation {
  if (isAbsolute(text)) return { kind: "folder", folder: text };
  const url = URL.parse(text);
  if (url === null || url.protocol !== "s3:" || url.hostname === "")
    throw invalid(text, "it is neither an absolute path nor an s3 URL");
  if (url.username !== "" || url.password !== "")
    throw invalid(
      url.hostname,
      "it holds a secret, which others could read. Give the key by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    );
  const known = ["endpoint", "region"];
  const unknown = [...url.searchParams.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid(text, `there is no setting "${unknown}"; there are ${known.join(" and ")}`);
  const endpoint = url.searchParams.get("endpoint");
  const at = endpoint === null ? null : URL.parse(endpoint);
  if (endpoint !== null && (at === null || !/^https?:$/.test(at.protocol)))
    throw invalid(text, "its endpoint is no http or https URL");
  const region = url.searchParams.get("region");
  const path = url.pathname.replace(/^\/+|\/+$/g, "");
  return {
    kind: "s3",
    bucket: url.hostname,
    prefix: path === "" ? "" : `${decodeURIComponent(path)}/`,
    ...(endpoint === null ? {} : { endpoint }),
    ...(region === null ? {} : { region }),
  };
}

function invalid(text: string, why: string): RouseError {
  return new RouseError(
    "INVALID_ARGUMENT",
    `Artifacts cannot be kept at "${text}": ${why}. Give a folder, or "s3://bucket/prefix?endpoint=https://host:port&region=name".`,
    { reason: "ARTIFACT_LOCATION_INVALID" },
  );
}
