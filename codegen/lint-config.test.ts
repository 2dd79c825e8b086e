import { expect, test } from "vitest";
import { lintSection } from "./lint-config.ts";

test("takes the lint section of a buf.yaml as it is written", () => {
  const yaml = `version: v2
modules:
  - path: proto
lint:
  use:
    - STANDARD # all
  except: [SERVICE_SUFFIX]

  ignore:
  - proto/old
# what may change
breaking:
  use: [FILE]
`;
  expect(lintSection(yaml)).toBe(`lint:
  use:
    - STANDARD # all
  except: [SERVICE_SUFFIX]

  ignore:
  - proto/old
# what may change
`);
});

test("takes a section on one line, at the end, with Windows line ends", () => {
  expect(lintSection("version: v2\r\nlint: {use: [MINIMAL]}\r\n")).toBe("lint: {use: [MINIMAL]}\n");
});

test("finds none", () => {
  expect(lintSection("version: v2\nbreaking:\n  lint: x\n")).toBeUndefined();
});
