import { createProvidersBrowserClient } from "../../gen/rouse/registry/v1/providers.browser.ts";

export const providers = createProvidersBrowserClient();
