import { createTasksBrowserClient } from "../../gen/rouse/orders/v1/tasks.browser.ts";

export const tasks = createTasksBrowserClient();
