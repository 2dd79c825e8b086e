import { createOrdersBrowserClient } from "../../gen/rouse/orders/v1/orders.browser.ts";
import { withKeyAlways } from "../api.ts";

export const orders = createOrdersBrowserClient(withKeyAlways);
