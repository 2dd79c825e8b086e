import { createRunsBrowserClient } from "../../gen/rouse/orders/v1/runs.browser.ts";
import { withKeyAlways } from "../api.ts";

export const runs = createRunsBrowserClient(withKeyAlways);
