import { expect, test } from "vitest";
import { RouseError } from "../sdk/errors.ts";
import type { StatusName } from "../sdk/status.ts";
import { pauseAfter } from "./start.ts";

test.each<[string, StatusName, string | undefined, boolean, number | undefined]>([
  ["an agent that does not answer", "UNAVAILABLE", undefined, true, 250],
  ["one that first stops what was replaced elsewhere", "UNAVAILABLE", "HOST_SETTLING", true, 250],
  ["a bundle that the registry does not hand out yet", "UNAVAILABLE", "REGISTRY_UNREACHABLE", true, 1_000],
  ["an engine that is away, where no other host fits", "UNAVAILABLE", "ENGINE_UNAVAILABLE", false, 1_000],
  ["an engine that is away, where another host fits", "UNAVAILABLE", "ENGINE_UNAVAILABLE", true, undefined],
  ["an instance that exits", "ABORTED", "INSTANCE_EXITED", false, undefined],
])(
  "a start is tried again on its host after %s, or has failed",
  (_, status, reason, isElsewhere, pauseMs) => {
    const error = new RouseError(status, "words", reason === undefined ? {} : { reason });
    expect(pauseAfter(error, () => isElsewhere)).toBe(pauseMs);
  },
);
