import { RouseError } from "../../sdk/errors.ts";
import { artifactUri } from "./uri.ts";

/** It never was. */
export function unknownArtifact(digest: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `There is no ${artifactUri(digest)}, and never was. Check the URI; "rouse artifacts list" shows those there are.`,
    { reason: "ARTIFACT_UNKNOWN" },
  );
}

/** It was, and its content was taken away. @param how From its history: when, by whom, why. */
export function removedArtifact(digest: string, how: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `The content of ${artifactUri(digest)} is gone: it was ${how}. Whoever still has it can put it again; "rouse artifacts show" tells what is known of it.`,
    { reason: "ARTIFACT_REMOVED" },
  );
}

/** What is stored is not what was put. @param where Such as "bytes 0 to 1048575". */
export function corruptArtifact(digest: string, where: string, title: string): RouseError {
  return new RouseError(
    "DATA_LOSS",
    `${artifactUri(digest)} is damaged in the store (${title}): ${where}. Nothing wrong was given out. Put the same content again, from where it came: that mends it.`,
    { reason: "ARTIFACT_CORRUPT", metadata: { digest } },
  );
}

/** Bytes were asked for that it does not have. */
export function outOfRange(digest: string, bytes: number, offset: number, length: number): RouseError {
  return new RouseError(
    "OUT_OF_RANGE",
    `${artifactUri(digest)} has ${bytes} bytes; there are no ${length === 0 ? "bytes" : `${length} bytes`} from ${offset} on.`,
    { reason: "ARTIFACT_RANGE", metadata: { bytes: String(bytes) } },
  );
}

/** What arrived is not what was sent. */
export function wrongDigest(sent: string, arrived: string): RouseError {
  return new RouseError(
    "DATA_LOSS",
    `The content that arrived has SHA-256 ${arrived}, and ${sent} was sent: it was changed on its way, or while it was read. Nothing of it is kept; send it again.`,
    { reason: "ARTIFACT_DIGEST_WRONG" },
  );
}

/** What is in an upload's file is not what was copied there. */
export function wrongCopy(id: string): RouseError {
  return new RouseError(
    "DATA_LOSS",
    `The copy of the file that the upload ${id} stores has other bytes than the file: it was changed while it was copied, or the disk is at fault. Nothing of it is kept; store it again.`,
    { reason: "ARTIFACT_DIGEST_WRONG" },
  );
}

export function heldArtifact(digest: string, holders: readonly string[]): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `${artifactUri(digest)} is needed by ${holders.join(", ")}, and stays until they are done with it.`,
    { reason: "ARTIFACT_HELD" },
  );
}

export function unknownUpload(id: string): RouseError {
  return new RouseError(
    "NOT_FOUND",
    `There is no upload ${JSON.stringify(id.slice(0, 80))}: it was given up, or nothing came for a day. Begin it again.`,
    { reason: "UPLOAD_UNKNOWN" },
  );
}

export function doneUpload(id: string): RouseError {
  return new RouseError(
    "FAILED_PRECONDITION",
    `The upload ${id} is finished. Begin another one, with another id.`,
    { reason: "UPLOAD_FINISHED" },
  );
}

export function invalidUpload(why: string): RouseError {
  return new RouseError("INVALID_ARGUMENT", `The upload cannot be made: ${why}.`, {
    reason: "UPLOAD_INVALID",
  });
}

export function tooLarge(mostBytes: number): RouseError {
  return new RouseError(
    "RESOURCE_EXHAUSTED",
    `The artifact has more than ${mostBytes} bytes, which is all that may come here. Nothing of it is kept.`,
    { reason: "ARTIFACT_TOO_LARGE" },
  );
}
