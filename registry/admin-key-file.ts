/** File of the administrator's key, in the registry's data folder. The CLI reads it there. */
export const ADMIN_KEY_FILE = "admin.key";
