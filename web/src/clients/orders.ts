import { createOrdersBrowserClient } from "../../gen/rouse/orders/v1/orders.browser.ts";

export const orders = createOrdersBrowserClient();
