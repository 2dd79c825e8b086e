import { createArtifactsBrowserClient } from "../../gen/rouse/orders/v1/artifacts.browser.ts";
import { withKeyAlways } from "../api.ts";

export const artifacts = createArtifactsBrowserClient(withKeyAlways);
