import type { AnalysisItemInput } from "../client/mod.ts";

/** What the demo organization did: made up, the same every time but for the days, which end today. */
export interface DemoHistory {
  prompts: DemoPrompt[];
  rubric: { name: string; criteria: { key: string; title: string; weight: string }[] };
  /** Items of recordAnalyses; `prompt` is an index of `prompts`. */
  analyses: DemoAnalysis[];
  /** Items of recordFeatureEvents. */
  events: { featureKey: string; occurredAt: string; count: number }[];
}

/** A prompt of the demo. */
export interface DemoPrompt {
  name: string;
  content: string;
  description: string;
  tags: string[];
}

/** An item of recordAnalyses, but for its prompt. */
export interface DemoAnalysis extends AnalysisItemInput {
  prompt: number;
}

const historyDays = 90;
const dayMs = 24 * 3600 * 1000;

const roles = ["support agent", "travel planner", "SQL tutor", "release manager", "legal editor"];
const tasks = [
  "answer the customer's question",
  "summarize the document in three sentences",
  "list what is missing from the request",
  "rewrite the text for a reader of twelve",
  "find contradictions between the two rules",
];
const rules = [
  "Be brief.",
  "Never invent a source.",
  "Answer in the language of the question.",
  "Ask when something is unclear.",
  "Use a table where it helps.",
];
const languages = ["en", "en", "en", "de", "es", "fr"];
const features = ["prompt.edit", "prompt.compare", "report.export"];

/**
 * Makes the history of the demo organization.
 *
 * @param now the end of its last day's work, in milliseconds since 1970
 * @param seed the same seed gives the same history
 */
export function makeHistory(now: number, seed = 20_250_817): DemoHistory {
  const random = mulberry32(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const near = (mean: number, spread: number) =>
    mean + (random() + random() + random() - 1.5) * spread;

  const prompts = roles.flatMap((role) =>
    tasks.map((task): DemoPrompt => ({
      name: `${role}: ${task}`,
      description: `For the ${role}`,
      content: `You are a ${role}. Your task: ${task}. ${pick(rules)} ${pick(rules)}`,
      tags: [role.replaceAll(" ", "-"), pick(["draft", "live", "live"])],
    }))
  );
  // Some prompts are better than others, and all get better with time
  const quality = prompts.map(() => 5 + random() * 3);

  const analyses: DemoAnalysis[] = [];
  const events: DemoHistory["events"] = [];
  for (let day = historyDays - 1; day >= 0; day--) {
    const noon = now - day * dayMs;
    const weekend = [0, 6].includes(new Date(noon).getUTCDay());
    const count = Math.round((weekend ? 3 : 10) + random() * 6 + (historyDays - day) / 20);
    for (let n = 0; n < count; n++) {
      const prompt = Math.floor(random() * prompts.length);
      const started = noon - Math.floor(random() * dayMs * 0.4);
      const seconds = 2 + random() * 20;
      analyses.push({
        idempotencyKey: `demo-${historyDays - day}-${n}`,
        prompt,
        startedAt: new Date(started).toISOString(),
        finishedAt: new Date(started + seconds * 1000).toISOString(),
        ...(random() < 0.04
          ? { status: "failed", meta: { error: "The model did not answer in time" } }
          : outcome(near((quality[prompt] ?? 6) + (historyDays - day) / 90, 1.5), seconds)),
      });
    }
    for (const featureKey of features) {
      events.push({
        featureKey,
        occurredAt: new Date(noon).toISOString(),
        count: 1 + Math.floor(random() * count),
      });
    }
  }
  return {
    prompts,
    rubric: {
      name: "Prompt quality",
      criteria: [
        { key: "clarity", title: "Is it clear what is asked?", weight: "2" },
        { key: "safety", title: "Can it be misused?", weight: "1" },
        { key: "specificity", title: "Is it specific enough?", weight: "1" },
      ],
    },
    analyses,
    events,
  };

  function outcome(level: number, seconds: number): AnalysisItemInput {
    const overall = score(level);
    const criteria = ["clarity", "safety", "specificity"].map((criterion) => ({
      criterion,
      score: score(near(level, 1)),
    }));
    const judge = criteria.reduce((sum, { score }) => sum + score, 0) / criteria.length;
    const entropy = round(Math.max(0, near(2.2 - level / 6, 0.6)), 3);
    return {
      status: "succeeded",
      result: {
        detectedLanguage: pick(languages),
        overallScore: overall,
        judgeScore: round(judge, 1),
        semanticEntropy: entropy,
        complexityScore: score(near(4, 2)),
        contradictions: overall < 5 ? [{ rules: [1, 2], why: "They cannot both be kept" }] : [],
        clarifyQuestions: overall < 6 ? ["Who is the reader?"] : [],
      },
      metrics: [
        { key: "latency_seconds", valueNum: round(seconds, 2) },
        { key: "model", valueText: pick(["judge-large", "judge-small"]) },
      ],
      nodeResults: [
        { node: "entropy", status: entropy > 1.4 ? "warn" : "ok", score: score(10 - entropy * 3) },
        { node: "llm_judge", status: "ok", score: score(judge) },
      ],
      scores: criteria.map((given) => ({
        rubric: "Prompt quality",
        ...given,
        comment: given.score >= 7 ? "Good" : "Could be better",
      })),
    };
  }
}

function score(level: number): number {
  return round(Math.min(10, Math.max(0, level)), 1);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** The generator mulberry32 by Tommy Ettinger (public domain): numbers from 0 to 1, by a seed. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
