import { serve } from "../gen/analysis/v1/analysis.server.ts";
import { handlers } from "./handlers.ts";

await serve(handlers);
