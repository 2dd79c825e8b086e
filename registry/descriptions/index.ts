export { ABOUT_FIELDS, aboutSchema, EMPTY_ABOUT, mergeAbout } from "./about.ts";
export {
  type AboutRecord,
  aboutRecordSchema,
  changeAbout,
  readAbout,
  readAllAbouts,
} from "./record.ts";
