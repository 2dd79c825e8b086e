export { providersService } from "./service.ts";
