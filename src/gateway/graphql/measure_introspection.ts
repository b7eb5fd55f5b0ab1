import "./graphile_env.ts";
import {
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from "postgraphile/graphql";

/** Objects of introspection are at hand: no database is asked. */
const introspectedObjectCost = 0.25;

/** How long the lists of introspection are on the average, by schema. */
const averages = new WeakMap<GraphQLSchema, Readonly<Record<string, number>>>();

/** What `__schema` or `__type` costs, by how many objects the lists below it have. */
export function measureIntrospection(
  schema: GraphQLSchema,
  root: string,
  selections: readonly SelectionSetNode[],
  fragments: ReadonlyMap<string, SelectionSetNode>,
): number {
  let lengths = averages.get(schema);
  if (lengths === undefined) averages.set(schema, lengths = averageLengths(schema));

  function count(field: string, inner: readonly SelectionSetNode[]): number {
    let below = 1;
    for (const { selections } of inner) {
      for (const node of selections) {
        if (node.kind === Kind.FRAGMENT_SPREAD) {
          const spread = fragments.get(node.name.value);
          if (spread) below += count("", [spread]) - 1;
        } else if (node.kind === Kind.INLINE_FRAGMENT) {
          below += count("", [node.selectionSet]) - 1;
        } else if (node.selectionSet) {
          below += count(node.name.value, [node.selectionSet]);
        } else below += 0.1;
      }
    }
    return (lengths?.[field] ?? 1) * below;
  }
  return introspectedObjectCost * count(root, selections);
}

function averageLengths(schema: GraphQLSchema): Readonly<Record<string, number>> {
  const types = Object.values(schema.getTypeMap());
  let [fields, args, inputs, values] = [0, 0, 0, 0];
  for (const type of types) {
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        fields++;
        args += field.args.length;
      }
    } else if (isInputObjectType(type)) inputs += Object.keys(type.getFields()).length;
    else if (isEnumType(type)) values += type.getValues().length;
  }
  return {
    types: types.length,
    fields: fields / types.length,
    args: args / Math.max(1, fields),
    inputFields: inputs / types.length,
    enumValues: values / types.length,
    directives: schema.getDirectives().length,
  };
}
