// schemalint, on the database of DATABASE_URL. Three of its rules are not in force, because the
// specification decides otherwise: prefer-text-to-varchar, prefer-identity-to-serial, name-inflection.
const process = require("node:process");

/** Tables of all organizations. */
const WITHOUT_ORGANIZATION = [
  "core.users",
  "core.sessions",
  "core.auth_accounts",
  "ops.organization",
];

/** It does not see the primary keys of partitioned tables. */
const PARTITIONED = ["ops.audit_log", "ops.feature_event"];

const OF_AN_ORGANIZATION = {
  "mandatory-columns": ["error", { organization_id: { isNullable: false } }],
};

module.exports = {
  connection: { connectionString: process.env.DATABASE_URL },
  schemas: [
    { name: "app" },
    { name: "core", rules: OF_AN_ORGANIZATION },
    { name: "ops", rules: OF_AN_ORGANIZATION },
    { name: "mart", rules: OF_AN_ORGANIZATION },
    { name: "report" },
  ],
  rules: {
    "row-level-security": ["error", { enforced: true }],
    "require-primary-key": ["error"],
    "index-referencing-column": ["error"],
    "name-casing": ["error", "snake"],
    "prefer-jsonb-to-json": ["error"],
    "prefer-timestamptz-to-timestamp": ["error"],
    "prefer-text-with-check-to-enum": ["error"],
  },
  ignores: [
    ...WITHOUT_ORGANIZATION.map((identifier) => ({ rule: "mandatory-columns", identifier })),
    ...PARTITIONED.map((identifier) => ({ rule: "require-primary-key", identifier })),
  ],
};
