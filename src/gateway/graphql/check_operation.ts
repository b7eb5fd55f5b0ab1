import "./graphile_env.ts";
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
} from "postgraphile/graphql";
import { measureCost, plainValueCost } from "./measure_cost.ts";
import { measureInput } from "./measure_input.ts";
import type { OperationLimits } from "./operation_limits.ts";

/** Mutations that store what they are given, in large batches; their functions have limits of their own. */
const recordingFields = new Set(["recordAnalyses", "recordFeatureEvents"]);
/** So many times the input passes where it is stored. */
const recordingFactor = 20;
/** From this cost on, an operation may occupy its thread for more than some 20 ms. */
const costlyFrom = 2_000;
/** To plan one page takes as long as to answer so many objects. */
const pagePlanCost = 100;
/** Of the values of other input, one in so many may be an object. */
const valuesForEachObject = 5;

/**
 * How many values the variables of a document have at most, by its text alone: at least as many as the
 * check of the whole operation accepts.
 */
export function inputLimitOf(document: string, { inputValues }: OperationLimits): number {
  const mayRecord = [...recordingFields].some((name) => document.includes(name));
  return inputValues * (mayRecord ? recordingFactor : 1);
}

/** What an operation costs, whether it records, and whether it keeps a thread busy; or why it may not run. */
export type OperationCheck =
  | { cost: number; records: boolean; isCostly: boolean; refusal?: undefined }
  | { cost?: undefined; records?: undefined; isCostly?: undefined; refusal: GraphQLError };

/**
 * Checks what an operation brings along and what it may cost, before it is planned: to plan it may
 * take as long as to run it.
 */
export function checkOperation(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
  limits: OperationLimits,
): OperationCheck {
  const records = isRecording(operation);
  const maxValues = limits.inputValues * (records ? recordingFactor : 1);
  const maxObjects = records ? maxValues : Math.ceil(limits.inputValues / valuesForEachObject);
  const { values, objects } = measureInput(document, operation, variables, maxValues);
  if (values > maxValues) return { refusal: tooWide("values", values, maxValues) };
  if (objects > maxObjects) return { refusal: tooWide("objects", objects, maxObjects) };
  const measured = measureCost(schema, document, operation, variables);
  const cost = Math.ceil(measured.cost + plainValueCost * values);
  if (cost <= limits.cost) {
    const isCostly = cost + pagePlanCost * measured.pages > costlyFrom;
    return { cost, records, isCostly };
  }
  return {
    refusal: refuse(
      `This operation may cost ${cost}, and the most that one may cost is ${limits.cost}: ` +
        "ask for smaller pages (first), or for fewer lists below lists",
    ),
  };
}

function isRecording({ operation, selectionSet }: OperationDefinitionNode): boolean {
  return operation === "mutation" &&
    selectionSet.selections.every((node) =>
      node.kind === Kind.FIELD && recordingFields.has(node.name.value)
    );
}

function tooWide(what: string, found: number, most: number): GraphQLError {
  return refuse(
    `The arguments of an operation may have ${most} ${what}, these have ${found} or more; split it`,
  );
}

function refuse(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "LIMIT" } });
}
