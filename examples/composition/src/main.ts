import { serve } from "../gen/composition/v1/composition.server.ts";
import { genomeClients } from "./genome-clients.ts";
import { handlers } from "./handlers.ts";

await serve(handlers, { state: () => genomeClients(), close: (clients) => clients.close() });
