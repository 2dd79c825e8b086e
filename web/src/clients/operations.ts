import { createOperationsBrowserClient } from "../../gen/rouse/orders/v1/operations.browser.ts";
import { withKeyAlways } from "../api.ts";

export const operations = createOperationsBrowserClient(withKeyAlways);
