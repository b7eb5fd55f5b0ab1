/**
 * Those who ask while an answer is under way, or soon after it, get the same one.
 *
 * @param maxAgeMs how long an answer is used again, from when it was asked for
 */
export function shareAnswer<Answer>(
  ask: () => Promise<Answer>,
  maxAgeMs: number,
): () => Promise<Answer> {
  let known: { at: number; answer: Promise<Answer>; underWay: boolean } | undefined;
  return function sharedAnswer() {
    if (known?.underWay || (known && performance.now() - known.at <= maxAgeMs)) return known.answer;
    const asked = { at: performance.now(), answer: ask(), underWay: true };
    known = asked;
    const end = () => {
      asked.underWay = false;
    };
    asked.answer.then(end, end);
    return asked.answer;
  };
}
