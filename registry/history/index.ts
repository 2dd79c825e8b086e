export { type Happening, historyStep, readHistory, record, trimHistory } from "./history.ts";
