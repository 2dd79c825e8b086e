import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { artifactUri, isArtifactName, parseArtifactUri } from "./uri.ts";

const digest = "ab".repeat(32);

describe("an artifact's URI", () => {
  test("is read as it was written, whatever the name", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }).filter(isArtifactName), (name) => {
        expect(parseArtifactUri(artifactUri(digest, name))).toEqual({ digest, name });
      }),
    );
  });

  test("never throws for a name that cannot be a file's: it is left out", () => {
    for (const name of ["", "a/b", "..", "\ud800", "a\nb", "x".repeat(256)])
      expect(artifactUri(digest, name)).toBe(`artifact:sha256-${digest}`);
  });

  test.each([
    "",
    "artifact:sha256-ab",
    `artifact:sha256-${digest.toUpperCase()}`,
    `artifact:sha256-${digest}?name=a%2Fb`,
    `artifact:sha256-${digest}?name=%ff`,
    `artifact:sha256-${digest}?name=a&b=c`,
    `artifact:sha256-${digest} `,
    `file:sha256-${digest}`,
  ])("is not %j", (uri) => {
    expect(() => parseArtifactUri(uri)).toThrow(
      expect.objectContaining({
        status: "INVALID_ARGUMENT",
        reason: "ARTIFACT_URI_INVALID",
        message: expect.stringContaining('One is "artifact:sha256-" and 64 lower-case hex digits'),
      }),
    );
  });
});
