import { createBuildsBrowserClient } from "../../gen/rouse/registry/v1/builds.browser.ts";

export const builds = createBuildsBrowserClient();
