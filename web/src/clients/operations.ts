import { createOperationsBrowserClient } from "../../gen/rouse/orders/v1/operations.browser.ts";

export const operations = createOperationsBrowserClient();
