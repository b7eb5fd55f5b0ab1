/** What is asked for, in both ways; `path` names it at the endpoints. */
export interface Operation {
  path: string;
  description: string;
  document: string;
  /** The variables of the n-th request of an organization. */
  variables(organization: number, n: number): Record<string, unknown>;
}

/** Prompts and runs of each organization that is filled. */
export const promptsEach = 2_000;
export const runsEach = 10_000;

const runFields = "id status startedAt finishedAt occurredAt promptId meta";

function recordAnalyses(count: number): Operation {
  return {
    path: `record${count}`,
    description: `recordAnalyses of ${count}`,
    document: `mutation ($items: [AnalysisItemInput!]!) {
      recordAnalyses(input: { items: $items }) { result { outcome analysisRunId message } }
    }`,
    variables: () => ({ items: Array.from({ length: count }, (_, n) => makeItem(n)) }),
  };
}

function makeItem(n: number): unknown {
  return {
    promptContent: `A prompt that is long enough to be real, number ${n}`,
    result: {
      detectedLanguage: "en",
      overallScore: 8,
      judgeScore: 7,
      semanticEntropy: 0.5,
      complexityScore: 3,
    },
    metrics: [{ key: "latency", valueNum: 123.5 }, { key: "model", valueText: "judge" }],
  };
}

/** What is measured, in this order. */
export const operations: readonly Operation[] = [
  {
    path: "list",
    description: "the newest 20 runs",
    document: `{ analysisRuns(first: 20, orderBy: [CREATED_AT_DESC]) { nodes { ${runFields} } } }`,
    variables: () => ({}),
  },
  {
    path: "count",
    description: "the newest 20 runs, and how many there are",
    document: `{
      analysisRuns(first: 20, orderBy: [CREATED_AT_DESC]) { totalCount nodes { ${runFields} } }
    }`,
    variables: () => ({}),
  },
  {
    path: "prompt",
    description: "a prompt by its id",
    document: `query ($id: String!) {
      prompt(id: $id) { id name description content language tags createdAt updatedAt }
    }`,
    variables: (organization, n) => ({ id: promptId(organization, n % promptsEach) }),
  },
  {
    path: "related",
    description: "a prompt with its relations and analyses",
    document: `query ($id: String!) {
      prompt(id: $id) {
        id name description content language tags createdAt updatedAt
        promptRelationsBySourceId(first: 10) { nodes { relationType target { id name } } }
        analysisRuns(first: 10) { nodes { ${runFields} } }
      }
    }`,
    variables: (organization, n) => ({ id: promptId(organization, n % promptsEach) }),
  },
  recordAnalyses(1),
  recordAnalyses(100),
];

/** @param n from 0 on */
export function promptId(organization: number, n: number): string {
  return `prompt-${organization}-${n}`;
}
