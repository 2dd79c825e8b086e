import { createArtifactsBrowserClient } from "../../gen/rouse/orders/v1/artifacts.browser.ts";

export const artifacts = createArtifactsBrowserClient();
