import { createReleasesBrowserClient } from "../../gen/rouse/registry/v1/releases.browser.ts";

export const releases = createReleasesBrowserClient();
