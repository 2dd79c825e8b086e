import { createUsageBrowserClient } from "../../gen/rouse/usage/v1/usage.browser.ts";

export const usage = createUsageBrowserClient();
