import { graphqlData } from "./graphql.ts";

/** What recordAnalyses answers of an item. */
export interface RecordOutcome {
  outcome: string;
  analysisRunId: string | null;
  message: string | null;
}

/** A result with every required field. */
export const RESULT = {
  detectedLanguage: "en",
  overallScore: 8,
  judgeScore: 7.5,
  semanticEntropy: 0.5,
  complexityScore: 3,
};

/** Records analyses through the API. */
export async function recordAnalyses(
  url: string,
  key: string,
  items: Record<string, unknown>[],
): Promise<RecordOutcome[]> {
  const { recordAnalyses: { result } } = await graphqlData<
    { recordAnalyses: { result: RecordOutcome[] } }
  >(url, {
    key,
    query: `mutation ($items: [AnalysisItemInput!]!) {
      recordAnalyses(input: { items: $items }) { result { outcome analysisRunId message } }
    }`,
    variables: { items },
  });
  return result;
}
