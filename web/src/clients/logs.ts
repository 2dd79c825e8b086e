import { createLogsBrowserClient } from "../../gen/rouse/usage/v1/usage.browser.ts";

export const logs = createLogsBrowserClient();
