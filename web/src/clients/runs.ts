import { createRunsBrowserClient } from "../../gen/rouse/orders/v1/runs.browser.ts";

export const runs = createRunsBrowserClient();
