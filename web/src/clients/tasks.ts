import { createTasksBrowserClient } from "../../gen/rouse/orders/v1/tasks.browser.ts";
import { withKeyAlways } from "../api.ts";

export const tasks = createTasksBrowserClient(withKeyAlways);
