/**
 * A role's name, which is also the name of its file and of its key's file: a lower-case letter or digit, then up to 62
 * lower-case letters, digits, `_` and `-`. The scripts that read role files have the same rule
 * (`fs/nats-init/roles.sh`).
 */
export const ROLE_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** Whether the value is a role's name. */
export const isRoleName = (name: unknown): name is string => typeof name === "string" && ROLE_NAME.test(name);

/** The rule in words, for error messages. */
export const ROLE_NAME_RULE = "a role's name: lower-case letters, digits, - and _, at most 63";
