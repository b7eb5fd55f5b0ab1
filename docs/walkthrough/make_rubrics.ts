/**
 * Makes one rubric per judge prompt, with a criterion for each of the two answers that it compares.
 *
 *   deno run -R -E -N docs/walkthrough/make_rubrics.ts judge_prompts.jsonl
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { documents } from "../../src/client/mod.ts";
import { client } from "./client.ts";

interface JudgePrompt {
  prompt_id: number;
  description: string;
  category: string;
  defaults: { prompt: string };
}

const [file = ""] = process.argv.slice(2);
for (const line of (await readFile(file, "utf8")).trim().split("\n")) {
  const judge: JudgePrompt = JSON.parse(line);
  const { createJudgeRubric } = await client.run(documents.createJudgeRubric, {
    judgeRubric: {
      name: judge.description,
      description: judge.defaults.prompt,
      meta: { prompt_id: judge.prompt_id, category: judge.category },
    },
  });
  const { id: rubricId, name } = createJudgeRubric!.judgeRubric!;
  for (const answer of [1, 2]) {
    await client.run(documents.createJudgeCriterion, {
      judgeCriterion: { rubricId, key: `answer_${answer}`, title: `Score of answer ${answer}` },
    });
  }
  console.log(`${name}: answer_1, answer_2`);
}
