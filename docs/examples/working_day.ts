/**
 * A working day with the API, from an organization that does not exist yet to a file of all that was recorded, by the
 * client and the schema alone. The tokens are those of two people: `curestry token create --user EMAIL`.
 *
 *     OWNER_TOKEN=… COLLEAGUE_TOKEN=… deno run --allow-net --allow-env docs/examples/working_day.ts
 */
import { type AnalysisItemInput, createClient, document, documents } from "../../src/client/mod.ts";

const url = Deno.env.get("CURESTRY_URL") ?? "http://127.0.0.1:5678";
const analyses = 1_000;
const slug = `day-${crypto.randomUUID().slice(0, 8)}`;

/** A person signs in: who is it? */
const ownerToken = Deno.env.get("OWNER_TOKEN") ?? "";
const owner = createClient({ url, credential: ownerToken });
const { viewer } = await owner.run(documents.viewer);
console.log(`Signed in as ${viewer?.email}`);

/** An organization of one's own, and what works in it from now on. */
await owner.run(
  document<unknown, { slug: string }>(
    `mutation ($slug: String!) { createOrganization(input: { slug: $slug, name: "A working day" }) { result { id } } }`,
  ),
  { slug },
);
const mine = createClient({ url, credential: ownerToken, organization: slug });

/** A key for the program that analyses prompts. */
const { createApiKey: { result: key } } = await mine.run(
  document<{ createApiKey: { result: { id: string; key: string } } }, { scopes: string[] }>(
    `mutation ($scopes: [String!]!) { createApiKey(input: { name: "analyser", scopes: $scopes }) { result { id key } } }`,
  ),
  { scopes: ["prompts:read", "prompts:write", "analyses:read", "analyses:write", "rubrics:read"] },
);
const program = createClient({ url, credential: key.key });

/** Prompts, of which one depends on another. */
const texts = { base: "You are a careful editor.", summary: "Sum this up in three sentences." };
const prompts: Record<string, string> = {};
for (const [name, content] of Object.entries(texts)) {
  const { createPrompt } = await program.run(documents.createPrompt, {
    prompt: { name, content, formatType: "text", tags: ["day"] },
  });
  prompts[name] = createPrompt!.prompt!.id;
}
await program.run(
  document<unknown, { sourceId: string; targetId: string }>(
    `mutation ($sourceId: String!, $targetId: String!) { createPromptRelation(input: { promptRelation: {
       sourceId: $sourceId, targetId: $targetId, relationType: depends_on } }) { promptRelation { id } } }`,
  ),
  { sourceId: prompts["summary"]!, targetId: prompts["base"]! },
);

/** A rubric that judges go by. */
const { createJudgeRubric } = await mine.run(documents.createJudgeRubric, {
  judgeRubric: { name: "Quality" },
});
const rubricId = createJudgeRubric!.judgeRubric!.id;
for (const criterion of ["clarity", "brevity"]) {
  await mine.run(documents.createJudgeCriterion, {
    judgeCriterion: { rubricId, key: criterion, title: criterion },
  });
}

/** Watches while a thousand analyses are recorded. */
const seen = new Set<string>();
const watching = new AbortController();
const ready = Promise.withResolvers<void>();
const watched = (async () => {
  const events = program.subscribe(documents.analysisRunChanged, {}, { signal: watching.signal });
  for await (const { analysisRunChanged: event } of events) {
    if (event?.kind === "READY") ready.resolve();
    if (event?.analysisRunId) seen.add(event.analysisRunId);
    if (seen.size === analyses) return;
  }
})();
await ready.promise;
const recorder = program.recorder({ maxBatch: 100 });
const outcomes: Promise<string>[] = [];
for (let n = 0; n < analyses; n++) {
  await recorder.ready();
  const item: AnalysisItemInput = {
    promptId: prompts["summary"]!,
    idempotencyKey: `${slug}-${n}`,
    finishedAt: new Date(Date.now() - n * 60_000).toISOString(),
    result: {
      detectedLanguage: "en",
      overallScore: n % 11,
      judgeScore: 8,
      semanticEntropy: 0.5,
      complexityScore: 3,
    },
    metrics: [{ key: "latency_ms", valueNum: 100 + n }],
    scores: [{ rubric: "Quality", criterion: "clarity", score: 7.5 }],
  };
  outcomes.push(recorder.record(item).then(({ outcome }) => outcome));
}
await recorder.close();
const inserted = (await Promise.all(outcomes)).filter((outcome) => outcome === "inserted").length;
await watched;
console.log(`Recorded ${inserted} analyses and saw ${seen.size} live`);

/** The numbers of the day, once the marts have them. */
const freshness = document<{ martFreshness: { waiting: number }[] | null }>(
  "{ martFreshness { waiting } }",
);
for (;;) {
  const { martFreshness } = await mine.run(freshness);
  if (martFreshness?.every(({ waiting }) => waiting === 0)) break;
  await new Promise((resolve) => setTimeout(resolve, 200));
}
const { metricSeries } = await mine.run(documents.metricSeries, {
  key: "latency_ms",
  from: new Date(Date.now() - 86_400_000).toISOString(),
  to: new Date(Date.now() + 60_000).toISOString(),
});
const counted = metricSeries?.reduce((sum, { count }) => sum + count, 0);
console.log(`${counted} latencies in ${metricSeries?.length} days`);

/** A colleague is invited, joins, and becomes an admin. */
const colleague = createClient({ url, credential: Deno.env.get("COLLEAGUE_TOKEN") ?? "" });
const { viewer: them } = await colleague.run(documents.viewer);
const { inviteMember } = await mine.run(
  document<{ inviteMember: { result: { code: string; userId: number } } }, { email: string }>(
    "mutation ($email: String!) { inviteMember(input: { email: $email }) { result { code userId } } }",
  ),
  { email: them!.email! },
);
const { code, userId } = inviteMember.result;
await colleague.run(
  document<unknown, { code: string }>(
    "mutation ($code: String!) { acceptInvitation(input: { code: $code }) { result { status } } }",
  ),
  { code },
);
const { changeMemberRole } = await mine.run(
  document<{ changeMemberRole: { result: { role: string } } }, { userId: number }>(
    "mutation ($userId: Int!) { changeMemberRole(input: { userId: $userId, role: admin }) { result { role } } }",
  ),
  { userId },
);
console.log(`${them!.email} is ${changeMemberRole.result.role}`);

/** All of it as a file. */
let lines = 0;
const file = await mine.export("analyses", { format: "jsonl" });
for await (const text of file.pipeThrough(new TextDecoderStream())) {
  lines += text.split("\n").length - 1;
}
console.log(`Exported ${lines} analyses`);
