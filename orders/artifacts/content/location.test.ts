import { expect, test } from "vitest";
import { parseLocation } from "./location.ts";

test("a folder, or a store by its URL", () => {
  expect(parseLocation("/srv/artifacts")).toEqual({ kind: "folder", folder: "/srv/artifacts" });
  expect(parseLocation("s3://lab")).toEqual({ kind: "s3", bucket: "lab", prefix: "" });
  const endpoint = "http://127.0.0.1:9000";
  expect(parseLocation(`s3://lab/a/b/?endpoint=${endpoint}&region=eu-1`)).toEqual({
    kind: "s3",
    bucket: "lab",
    prefix: "a/b/",
    endpoint,
    region: "eu-1",
  });
});

test.each([
  ["artifacts", "it is neither an absolute path nor an s3 URL"],
  ["https://lab", "it is neither an absolute path nor an s3 URL"],
  ["s3://key:secret@lab", "it holds a secret, which others could read"],
  ["s3://lab?path=x", 'there is no setting "path"; there are endpoint and region'],
  ["s3://lab?endpoint=ftp://x", "its endpoint is no http or https URL"],
])("not %s", (text, why) => {
  expect(() => parseLocation(text)).toThrow(
    expect.objectContaining({
      status: "INVALID_ARGUMENT",
      reason: "ARTIFACT_LOCATION_INVALID",
      message: expect.stringContaining(why),
    }),
  );
});
